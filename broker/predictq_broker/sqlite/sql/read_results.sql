SELECT
    slot, 1, id, status, body, model, version, digest, route, content_type, queued, batched, predicted,
    retry_after, sizes
FROM results WHERE slot > :read AND slot <= :last ORDER BY slot LIMIT :limit
