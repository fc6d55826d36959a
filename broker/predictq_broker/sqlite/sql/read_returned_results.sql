SELECT
    slot, returned.attempt, id, status, body, model, version, digest, route, content_type, queued, batched, predicted,
    retry_after, sizes
FROM returned CROSS JOIN results USING (slot) WHERE slot BETWEEN :first AND :last ORDER BY slot LIMIT :limit
