SELECT unread > 0 FROM reply_tos WHERE name = :name
