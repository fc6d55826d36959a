DELETE FROM parcel_ids WHERE slot IN (
    SELECT slot FROM parcel_ids WHERE until <= :now ORDER BY until LIMIT :most
)
