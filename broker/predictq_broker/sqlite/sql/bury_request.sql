INSERT INTO dead (
    queue, priority, reason, attempts, died,
    raw, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, body
)
SELECT
    slot >> 42, (slot >> 40) & 3, ?, ?, ?,
    raw, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, body
FROM requests WHERE slot = ?
