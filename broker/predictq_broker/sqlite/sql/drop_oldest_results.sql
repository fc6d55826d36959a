DELETE FROM results WHERE slot IN (
    SELECT slot FROM results WHERE slot BETWEEN :first AND :last ORDER BY slot LIMIT :limit
) RETURNING ifnull(length(sizes) / 4, 1)
