SELECT read < last OR EXISTS (
    SELECT 1 FROM returned WHERE slot BETWEEN reply << 42 AND ((reply * 4 + 1) << 40) - 1
)
FROM reply_tos WHERE name = :name
