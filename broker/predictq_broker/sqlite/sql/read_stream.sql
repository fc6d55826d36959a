SELECT slot, 1, accepted, raw, body, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, tails, sizes
FROM requests WHERE slot > :read AND slot < (:stream + 1) << 40 ORDER BY slot LIMIT :limit
