DELETE FROM requests WHERE slot IN (SELECT value FROM json_each(:slots))
