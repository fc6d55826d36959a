DELETE FROM held WHERE slot IN (SELECT value FROM json_each(:slots)) AND consumer = :consumer RETURNING slot, attempt
