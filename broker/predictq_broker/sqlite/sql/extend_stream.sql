UPDATE streams SET last = last + :count WHERE stream = :stream RETURNING last
