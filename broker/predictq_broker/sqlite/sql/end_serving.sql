DELETE FROM serves WHERE consumer = :consumer
