#!lua flags=allow-oom
-- Keep a lease alive. KEYS: leases. ARGV: consumer. Returns 1, or 0 if the consumer was fenced.
if not owns(KEYS[1], ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return 1
