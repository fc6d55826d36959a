-- Shared by the scripts: the loader puts this text in front of each.
--
-- Key layout (M is the model; all keys of one step share the hash tag, so a cluster holds them together)
--   predictq:{M}:requests:high|normal|low   streams of requests, one consumer group `workers` on each
--   predictq:{M}:requests:leases            hash: consumer -> heartbeat counter, or `fenced`
--   predictq:{M}:requests:bytes             bytes of the bodies in the three streams
--   predictq:{M}:id:<head>                  hash: the last 3 characters of a request id, whose others are the head ->
--                                           <fingerprint> <stream number> <entry> <dedup window (ms)>; expires
--   predictq:{M}:dead                       stream of dead letters
--   predictq:{M}:results:<reply-to>         stream of results; a durable queue has a group `subscribers`
--   predictq:{M}:results:<inbox>:more       of an inbox that takes bundles: unread results beyond one an entry
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

-- The head of an id, by which its record is found, and its tail, which names it there. A client's ids, made together,
-- have one head, so what is known of all of them is asked and said at once.
local function split(id)
  return string.sub(id, 1, -4), string.sub(id, -3)
end

-- Whether what is known of an id is older than its dedup window: its record may live longer, for the others in it.
local clock
local function forgotten(seen)
  clock = clock or redis.call('TIME')
  local accepted, window = string.match(seen, ' (%d+)%-%d+ (%d+)$')
  return not accepted or clock[1] * 1000 + clock[2] / 1000 >= accepted + window
end

-- Whether a reply-to takes many results in one entry: the inbox of a client that said so by its name.
local function bundled(reply_to)
  return string.sub(reply_to, 1, 13) == 'inbox.bundle.'
end

local function count_unread(key, reply_to)
  local count = redis.call('XLEN', key)
  if count == 0 or not bundled(reply_to) then return count end
  return count + math.max(tonumber(redis.call('GET', key .. ':more') or 0), 0)
end

-- The error that would keep us from publishing to a reply-to, if there is one: this user may not write there, or the
-- slot is being moved. To be asked before anything is taken, for nothing here is rolled back. The delete finds nothing.
local may = {}
local function refused(prefix, reply_to)
  if reply_to == '' or may[reply_to] then return nil end
  local reply = redis.pcall('XDEL', prefix .. 'results:' .. reply_to, '0-1')
  if type(reply) == 'table' and reply.err and not string.find(reply.err, 'WRONGTYPE', 1, true) then return reply end
  may[reply_to] = true
end

local expiring = {}
local function expire(key, ttl)
  if not expiring[key] then redis.call('PEXPIRE', key, ttl, 'NX') end
  expiring[key] = true
end

-- Append results to their reply-to: `id`, id, `body`, body of each, and the fields they have in common; in one entry
-- where that is known, else in one each. An inbox gets an expiry, lest it outlive a client that is gone. A key of
-- another kind in its place loses the results, as if nobody had wanted them, and harms no other.
local function publish(prefix, reply_to, inbox_ttl, answers, common)
  if reply_to == '' or #answers == 0 then return end
  local key = prefix .. 'results:' .. reply_to
  local together = bundled(reply_to) and #answers or 4
  for first = 1, #answers, together do
    local entry = together == #answers and answers or {unpack(answers, first, first + 3)}
    for f = 1, #common do entry[together + f] = common[f] end
    if redis.pcall('XADD', key, '*', unpack(entry)).err then return end
  end
  if string.sub(reply_to, 1, 6) ~= 'inbox.' then return end
  expire(key, inbox_ttl)
  if together > 4 then
    redis.call('INCRBY', key .. ':more', together / 4 - 1)
    expire(key .. ':more', inbox_ttl)
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
