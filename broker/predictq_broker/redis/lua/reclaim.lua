#!lua flags=allow-oom
-- Fence a consumer whose heartbeat stood still, and give back what it held, a slice at a time.
-- KEYS: streams, then leases
-- ARGV: group, consumer, the heartbeat that was watched ('' if it has no lease), 1 if it leaves of its own will
-- Returns {how many were given back, 1 if nothing is left of the consumer}, or {0, 1} if it lives after all.
local group, consumer, watched, leaves = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local leases = KEYS[#KEYS]
local SLICE = 1000
local parcels = parcels_beside(leases)
local any_parcels = parcels and redis.call('HGET', parcels, 'more')

local function requests_in(stream, entry)
  local state = any_parcels and redis.call('HGET', parcels, stream .. ':' .. entry)
  return tonumber(state and string.match(state, '%d+') or 1)
end

local heartbeat = redis.call('HGET', leases, consumer) or ''
if heartbeat ~= watched and heartbeat ~= 'fenced' then return {0, 1} end
redis.call('HSET', leases, consumer, 'fenced')

local moved, left = 0, false
for stream = 1, #KEYS - 1 do
  local pending = redis.pcall('XPENDING', KEYS[stream], group, '-', '+', SLICE, consumer)
  if not pending.err and #pending > 0 then
    for _, item in ipairs(pending) do
      -- the attempt is counted when somebody receives it again; what leaves unharmed is not counted at all
      local before = leaves and item[4] - 1 or item[4]
      redis.call('XCLAIM', KEYS[stream], group, RETURNED, 0, item[1], 'RETRYCOUNT', before, 'JUSTID')
      moved = moved + requests_in(stream, item[1])
    end
    left = left or #pending == SLICE
  end
end
if left then return {moved, 0} end
for stream = 1, #KEYS - 1 do redis.pcall('XGROUP', 'DELCONSUMER', KEYS[stream], group, consumer) end
redis.call('HDEL', leases, consumer)
return {moved, 1}
