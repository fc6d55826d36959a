SELECT
    slot, consumer, done, accepted, id, tails, sizes, body,
    reply_to, ttl, ref, method, content_type, rows, key, traceparent
FROM requests LEFT JOIN held USING (slot) WHERE slot IN (SELECT value FROM json_each(:slots))
