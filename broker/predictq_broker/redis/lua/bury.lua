#!lua flags=allow-oom
-- Move one request to the dead-letter queue and tell its requester.
-- KEYS: the request's stream, dead, leases, bytes, parcels
-- ARGV: group, consumer, prefix, inbox ttl (ms), place (<stream number>:<entry>), its number in the parcel ('' if it is in
--       none, `*` if all of one goes), its id and body, size, reply-to, attempts, priority, reason, the answer, the result's other fields…
-- Returns 1, or 0 if somebody else owns the request.
local group, consumer, place, number = ARGV[1], ARGV[2], ARGV[5], ARGV[6]
local entry = string.sub(place, 3)
if not owns(KEYS[3], consumer) then return 0 end
local no = refused(ARGV[3], ARGV[10])
if no then return no end
local MOST = 1000 -- fields that are kept of a letter: Lua cannot hand on more than some thousands
local PARCEL = {parcel = true, ids = true, sizes = true, bodies = true} -- what it had in common with nobody

local apart = number ~= '' and number ~= '*'
local letter = {'dead.attempts', ARGV[11], 'dead.priority', ARGV[12], 'dead.reason', ARGV[13]}
local function keep(name, value) letter[#letter + 1], letter[#letter + 2] = name, value end
local found = redis.call('XRANGE', KEYS[1], entry, entry)[1]
local fields = found and found[2] or {}
for f = 1, #fields, 2 do
  local name = fields[f]
  local needed = name == 'id' or name == 'reply_to' or name == 'body'
  if needed or (f < 2 * MOST and string.sub(name, 1, 5) ~= 'dead.' and not (apart and PARCEL[name])) then
    keep(name, fields[f + 1])
  end
end
if apart then
  keep('id', ARGV[7])
  keep('body', ARGV[8])
end
if number == '' then
  if not forget(KEYS[1], group, entry) then return 0 end
elseif not take_out(KEYS[1], group, KEYS[5], place, number, 1) then
  return 0
end
shrink(KEYS[4], tonumber(ARGV[9]))
if found then redis.call('XADD', KEYS[2], '*', unpack(letter)) end
publish(ARGV[3], ARGV[10], ARGV[4], {ARGV[7]}, {ARGV[14]}, {unpack(ARGV, 15)})
return 1
