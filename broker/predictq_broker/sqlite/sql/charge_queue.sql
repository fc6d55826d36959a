UPDATE queues SET requests = requests + :requests, bytes = bytes + :bytes WHERE queue = :queue
