SELECT reply_tos.name
FROM json_each(:names) AS asked CROSS JOIN reply_tos ON reply_tos.name = asked.value
WHERE reply_tos.unread >= :limit
