SELECT done FROM held WHERE slot = :slot AND consumer = :consumer
