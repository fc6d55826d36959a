DELETE FROM dead WHERE queue = :queue AND (:tags IS NULL OR tag IN (SELECT value FROM json_each(:tags)))
