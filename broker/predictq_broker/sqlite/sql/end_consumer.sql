DELETE FROM consumers WHERE consumer = :consumer AND (:beat IS NULL OR beat = :beat)
