SELECT queue, requests, bytes FROM queues WHERE model = :model
