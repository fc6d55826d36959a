-- Put one dead letter back into its input queue, with a fresh count of attempts and a fresh deadline.
-- KEYS: high, normal, low, dead, bytes. ARGV: prefix, entry. Returns 1, or 0 if it is not there.
local PRIORITIES = {high = 1, normal = 2, low = 3}
local found = redis.call('XRANGE', KEYS[4], ARGV[2], ARGV[2])[1]
if not found then return 0 end
local request, priority, size, id = {}, 'normal', 0, ''
for f = 1, #found[2], 2 do
  local name, value = found[2][f], found[2][f + 1]
  if name == 'dead.priority' then priority = value end
  if name == 'body' then size = #value end
  if name == 'id' then id = value end
  if string.sub(name, 1, 5) ~= 'dead.' then
    request[#request + 1], request[#request + 2] = name, value
  end
end
local stream = PRIORITIES[priority] or 2
local head, tail = split(id)
local record = ARGV[1] .. 'id:' .. head
local known = known_of(record, tail) -- first: if that fails, nothing was done yet
local entry = redis.call('XADD', KEYS[stream], '*', unpack(request))
if known then -- so that it can still be withdrawn by its id
  local fingerprint, number, before, window = string.match(known, '^(%S+) (%S+) (%S+) (%S+)$')
  forget_in_parcel(record, tail, number .. ':' .. before)
  redis.call('HSET', record, tail, table.concat({fingerprint, stream, entry, window}, ' '))
end
redis.call('INCRBY', KEYS[5], size)
redis.call('XDEL', KEYS[4], ARGV[2])
return 1
