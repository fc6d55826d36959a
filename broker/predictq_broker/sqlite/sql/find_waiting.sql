SELECT requests.slot, requests.id, requests.reply_to, ifnull(length(requests.body), 0)
FROM json_each(:ids) AS asked CROSS JOIN ids ON ids.queue = :queue AND ids.id = asked.value
CROSS JOIN requests ON requests.slot = ids.slot
WHERE NOT EXISTS (SELECT 1 FROM held WHERE held.slot = requests.slot)
