SELECT slot, head, tails, checks
FROM json_each(:heads) AS asked CROSS JOIN parcel_ids ON parcel_ids.head = asked.value
WHERE slot >> 42 = :queue AND until > :now
