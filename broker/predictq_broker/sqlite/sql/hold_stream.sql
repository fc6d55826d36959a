INSERT INTO held (slot, consumer, attempt)
SELECT slot, :consumer, 1 FROM requests WHERE slot > :read AND slot <= :last
