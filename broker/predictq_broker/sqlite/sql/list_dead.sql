SELECT
    tag, priority, reason, attempts, died,
    raw, body, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent
FROM dead WHERE queue = :queue AND (:tag IS NULL OR tag = :tag) ORDER BY tag LIMIT :limit
