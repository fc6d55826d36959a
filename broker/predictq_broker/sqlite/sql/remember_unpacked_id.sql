-- What the id means now, should it have been asked again when its window was over, stays.
INSERT OR IGNORE INTO ids (queue, id, fingerprint, until, slot) VALUES (?, ?, ?, ?, ?)
