#!lua flags=allow-oom
-- Move one request to the dead-letter queue and tell its requester.
-- KEYS: the request's stream, dead, leases, bytes
-- ARGV: group, consumer, prefix, inbox ttl (ms), entry, size, reply-to, attempts, priority, reason,
--       id, body, the result's other fields…
-- Returns 1, or 0 if somebody else owns the request.
local group, consumer, entry = ARGV[1], ARGV[2], ARGV[5]
if not owns(KEYS[3], consumer) then return 0 end
local no = refused(ARGV[3], ARGV[7])
if no then return no end
local MOST = 1000 -- fields that are kept of a letter: Lua cannot hand on more than some thousands

local letter = {'dead.attempts', ARGV[8], 'dead.priority', ARGV[9], 'dead.reason', ARGV[10]}
local found = redis.call('XRANGE', KEYS[1], entry, entry)[1]
local fields = found and found[2] or {}
for f = 1, #fields, 2 do
  local name = fields[f]
  local needed = name == 'id' or name == 'reply_to' or name == 'body'
  if needed or (f < 2 * MOST and string.sub(name, 1, 5) ~= 'dead.') then
    letter[#letter + 1], letter[#letter + 2] = name, fields[f + 1]
  end
end
if not forget(KEYS[1], group, entry) then return 0 end
shrink(KEYS[4], tonumber(ARGV[6]))
if found then redis.call('XADD', KEYS[2], '*', unpack(letter)) end
publish(ARGV[3], ARGV[7], ARGV[4], {'id', ARGV[11], 'body', ARGV[12]}, {unpack(ARGV, 13)})
return 1
