DELETE FROM results WHERE slot IN (SELECT value FROM json_each(:slots))
