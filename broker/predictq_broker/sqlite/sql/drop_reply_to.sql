DELETE FROM reply_tos WHERE reply = :reply AND unread <= 0
