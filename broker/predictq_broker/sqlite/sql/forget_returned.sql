DELETE FROM returned WHERE slot IN (SELECT value FROM json_each(:slots))
