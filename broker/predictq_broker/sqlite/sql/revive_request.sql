INSERT INTO requests (
    slot, accepted, raw, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, body
)
SELECT ?, ?, raw, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, body FROM dead WHERE tag = ?
