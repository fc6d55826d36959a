SELECT stream, read FROM streams
WHERE stream BETWEEN :queue * 4 + 1 AND :queue * 4 + 3 AND read < last ORDER BY stream
