DELETE FROM held WHERE slot IN (SELECT value FROM json_each(:slots))
