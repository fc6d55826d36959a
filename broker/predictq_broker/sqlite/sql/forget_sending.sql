DELETE FROM sendings WHERE rowid = :sending
