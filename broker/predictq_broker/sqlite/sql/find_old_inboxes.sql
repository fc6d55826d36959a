SELECT reply FROM reply_tos WHERE touched <= :before AND substr(name, 1, length(:prefix)) = :prefix
