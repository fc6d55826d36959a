UPDATE reply_tos SET
    last = last + :count,
    touched = iif(unread = 0, :now, touched),
    unread = unread + :count
WHERE name = :name
RETURNING last
