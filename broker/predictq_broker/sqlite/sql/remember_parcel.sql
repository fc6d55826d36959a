INSERT INTO parcel_ids (slot, until, head, tails, checks) VALUES (?, ?, ?, ?, ?)
