SELECT ids.id, ids.fingerprint
FROM json_each(:ids) AS asked CROSS JOIN ids ON ids.queue = :queue AND ids.id = asked.value
WHERE ids.until > :now
