INSERT OR REPLACE INTO ids (queue, id, fingerprint, until, slot) VALUES (?, ?, ?, ?, ?)
