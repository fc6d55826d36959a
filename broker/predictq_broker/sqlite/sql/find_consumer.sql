SELECT 1 FROM consumers WHERE consumer = :consumer
