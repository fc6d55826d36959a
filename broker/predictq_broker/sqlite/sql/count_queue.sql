SELECT
    queues.requests,
    (
        SELECT ifnull(sum(held.requests), 0) FROM held
        WHERE slot BETWEEN (queue * 4 + 1) << 40 AND ((queue * 4 + 4) << 40) - 1
    ),
    (
        SELECT min((
            SELECT accepted FROM requests WHERE slot > stream << 40 AND slot < (stream + 1) << 40
            ORDER BY slot LIMIT 1
        )) FROM streams WHERE stream BETWEEN queue * 4 + 1 AND queue * 4 + 3
    ),
    (SELECT count(*) FROM dead WHERE dead.queue = queues.queue),
    (
        SELECT count(*) FROM serves JOIN consumers USING (consumer)
        WHERE serves.queue = queues.queue AND consumers.renewed > :now - consumers.lease * 1000
    )
FROM queues WHERE model = :model
