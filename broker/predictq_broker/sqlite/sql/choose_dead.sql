SELECT tag, priority, id, ifnull(length(body), 0) FROM dead
WHERE queue = :queue AND (:tags IS NULL OR tag IN (SELECT value FROM json_each(:tags))) ORDER BY tag
