INSERT INTO requests (
    slot, accepted, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, tails, sizes, body
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
