SELECT reply, unread, read, last FROM reply_tos WHERE name = :name
