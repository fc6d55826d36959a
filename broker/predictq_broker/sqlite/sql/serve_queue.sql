INSERT INTO serves (queue, consumer) VALUES (:queue, :consumer) ON CONFLICT DO NOTHING
