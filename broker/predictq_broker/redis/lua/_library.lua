-- Shared by the scripts: the loader puts this text in front of each.
--
-- Key layout (M is the model; all keys of one step share the hash tag, so a cluster holds them together)
--   predictq:{M}:requests:high|normal|low   streams of requests, one consumer group `workers` on each
--   predictq:{M}:requests:leases            hash: consumer -> heartbeat counter, or `fenced`
--   predictq:{M}:requests:bytes             bytes of the bodies in the three streams
--   predictq:{M}:id:<request id>            <fingerprint> <stream number> <entry>; expires after the dedup window
--   predictq:{M}:dead                       stream of dead letters
--   predictq:{M}:results:<reply-to>         stream of results; a durable queue has a group `subscribers`
--   predictq:{M}:results:<queue>:leases     hash as above, for its subscribers
--   predictq:models                         set of models whose queues exist
--
-- The pseudo-consumer `returned` holds entries that were given back; no lease is ever in its name.

local RETURNED = 'returned'

-- Whether the consumer still owns what it holds. A fenced one owns nothing any more.
local function owns(leases, consumer)
  local heartbeat = redis.call('HGET', leases, consumer)
  return heartbeat and heartbeat ~= 'fenced'
end

local expiring = {}

-- The error that would keep us from publishing to a reply-to, if there is one: this user may not write there, or the
-- slot is being moved. To be asked before anything is taken, for nothing here is rolled back. The delete finds nothing.
local may = {}
local function refused(prefix, reply_to)
  if reply_to == '' or may[reply_to] then return nil end
  local reply = redis.pcall('XDEL', prefix .. 'results:' .. reply_to, '0-1')
  if type(reply) == 'table' and reply.err and not string.find(reply.err, 'WRONGTYPE', 1, true) then return reply end
  may[reply_to] = true
end

-- Append a result to its reply-to. An inbox gets an expiry, lest it outlive a client that is gone. A key of another
-- kind in its place loses that result, as if nobody had wanted it, and harms no other.
local function publish(prefix, reply_to, inbox_ttl, fields)
  if reply_to == '' then return end
  local key = prefix .. 'results:' .. reply_to
  if redis.pcall('XADD', key, '*', unpack(fields)).err then return end
  if not expiring[key] and string.sub(reply_to, 1, 6) == 'inbox.' then
    redis.call('PEXPIRE', key, inbox_ttl, 'NX')
    expiring[key] = true
  end
end

-- Take an entry out of its stream. Returns false if somebody else did so before: the gate of "one answer".
local function forget(stream, group, entry)
  if redis.call('XACK', stream, group, entry) == 0 then return false end
  redis.call('XDEL', stream, entry)
  return true
end

-- Keep the count of bytes; it is never negative, for requests written by hand were never counted.
local function shrink(bytes, size)
  if size > 0 and redis.call('DECRBY', bytes, size) <= 0 then redis.call('DEL', bytes) end
end
