INSERT INTO held (slot, consumer, attempt)
SELECT slot, :consumer, attempt FROM returned WHERE slot BETWEEN :first AND :last
