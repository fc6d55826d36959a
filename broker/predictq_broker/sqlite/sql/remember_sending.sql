INSERT INTO sendings (until, queue, ids) VALUES (:until, :queue, :ids)
