INSERT INTO returned (slot, attempt) SELECT slot, attempt + :more FROM held WHERE consumer = :consumer
