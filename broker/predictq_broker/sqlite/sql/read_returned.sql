SELECT
    slot, returned.attempt, accepted, raw, body, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent,
    tails, sizes
FROM returned CROSS JOIN requests USING (slot) WHERE slot BETWEEN :first AND :last ORDER BY slot LIMIT :limit
