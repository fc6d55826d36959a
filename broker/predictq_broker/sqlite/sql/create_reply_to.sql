-- The lowest number that is free: inboxes come and go, and a slot has room for 2^21 of them at a time.
INSERT INTO reply_tos (reply, name, unread, touched, last, read)
SELECT free, :name, 0, :now, free << 42, free << 42 FROM (
    SELECT min(before.reply) + 1 AS free
    FROM (SELECT 0 AS reply UNION ALL SELECT reply FROM reply_tos) AS before
    WHERE NOT EXISTS (SELECT 1 FROM reply_tos AS after WHERE after.reply = before.reply + 1)
)
