UPDATE reply_tos SET unread = unread - :count, touched = :now WHERE reply = :reply
