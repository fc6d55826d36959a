DELETE FROM returned WHERE slot BETWEEN :first AND :last
