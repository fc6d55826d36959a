SELECT rowid, queue, ids FROM sendings WHERE until <= :now ORDER BY until LIMIT 2
