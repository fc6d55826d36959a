DELETE FROM results WHERE slot BETWEEN :first AND :last
