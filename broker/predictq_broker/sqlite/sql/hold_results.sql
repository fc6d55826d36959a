INSERT INTO held (slot, consumer, attempt)
SELECT slot, :consumer, 1 FROM results WHERE slot > :read AND slot <= :last
