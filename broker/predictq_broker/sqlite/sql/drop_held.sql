DELETE FROM held WHERE consumer = :consumer
