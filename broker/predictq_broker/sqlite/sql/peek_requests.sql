SELECT EXISTS (
    SELECT 1
    FROM json_each(:queues) AS asked
    CROSS JOIN streams ON streams.stream BETWEEN asked.value * 4 + 1 AND asked.value * 4 + 3
    WHERE streams.read < streams.last
) OR EXISTS (
    SELECT 1
    FROM json_each(:queues) AS asked
    CROSS JOIN returned
        ON returned.slot BETWEEN (asked.value * 4 + 1) << 40 AND ((asked.value * 4 + 4) << 40) - 1
)
