INSERT INTO consumers (consumer, name, lease, renewed) VALUES (:consumer, :name, :lease, :now)
