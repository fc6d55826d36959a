DELETE FROM parcel_ids WHERE slot IN (SELECT value FROM json_each(:slots))
