UPDATE held SET done = :done, requests = :requests WHERE slot = :slot
