INSERT INTO held (slot, consumer, attempt, requests)
SELECT slot, :consumer, 1, ifnull(length(sizes) / 4, 1) FROM requests WHERE slot > :read AND slot <= :last
