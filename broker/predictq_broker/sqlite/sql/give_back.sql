INSERT INTO returned (slot, attempt) VALUES (?, ?)
