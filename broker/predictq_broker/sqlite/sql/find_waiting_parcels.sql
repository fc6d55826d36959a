SELECT slot FROM requests
WHERE slot IN (SELECT value FROM json_each(:slots)) AND NOT EXISTS (SELECT 1 FROM held WHERE held.slot = requests.slot)
