DELETE FROM held
WHERE slot IN (SELECT value FROM json_each(:slots)) AND consumer = :consumer AND done IS NULL RETURNING slot
