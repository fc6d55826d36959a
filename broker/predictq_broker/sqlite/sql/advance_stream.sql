UPDATE streams SET read = :last WHERE stream = :stream
