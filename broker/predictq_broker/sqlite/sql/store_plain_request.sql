INSERT INTO requests (slot, accepted, id, reply_to, ttl, body) VALUES (?, ?, ?, ?, ?, ?)
