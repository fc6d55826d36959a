INSERT INTO results (
    model, version, digest, route, content_type, retry_after,
    slot, id, status, queued, batched, predicted, sizes, body
) SELECT ?, ?, ?, ?, ?, ?, * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?))
