UPDATE reply_tos SET read = :read, touched = :now WHERE reply = :reply
