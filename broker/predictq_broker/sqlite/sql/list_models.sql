SELECT model FROM queues ORDER BY model
