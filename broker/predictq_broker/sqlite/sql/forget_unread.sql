UPDATE reply_tos SET unread = unread - :count WHERE reply = :reply
