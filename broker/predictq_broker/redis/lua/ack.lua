#!lua flags=allow-oom
-- Forget results that a subscriber still owns. KEYS: stream, leases. ARGV: group, consumer, entries…
-- Returns how many.
if not owns(KEYS[2], ARGV[2]) then return 0 end
local acked = 0
for i = 3, #ARGV do
  if forget(KEYS[1], ARGV[1], ARGV[i]) then acked = acked + 1 end
end
return acked
