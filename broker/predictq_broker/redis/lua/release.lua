#!lua flags=allow-oom
-- Give entries back unharmed, so that receiving them again counts as the same attempt.
-- KEYS: streams, then leases. ARGV: group, consumer, then for each: stream number, entry, attempt
-- Returns how many, or -1 if the consumer was fenced.
if not owns(KEYS[#KEYS], ARGV[2]) then return -1 end
local released = 0
for i = 3, #ARGV, 3 do
  local stream, entry, before = KEYS[tonumber(ARGV[i])], ARGV[i + 1], tonumber(ARGV[i + 2]) - 1
  released = released + #redis.call('XCLAIM', stream, ARGV[1], RETURNED, 0, entry, 'RETRYCOUNT', before, 'JUSTID')
end
return released
