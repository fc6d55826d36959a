INSERT INTO held (slot, consumer, attempt) VALUES (?, ?, 1)
