-- Shared by the scripts: the loader puts this text in front of each.
--
-- Key layout (M is the model; all keys of one step share the hash tag, so a cluster holds them together)
--   predictq:{M}:requests:high|normal|low   streams of requests, one consumer group `workers` on each
--   predictq:{M}:requests:leases            hash: consumer -> heartbeat counter, or `fenced`
--   predictq:{M}:requests:bytes             bytes of the bodies in the three streams
--   predictq:{M}:requests:parcels           hash of the entries that hold many requests: <stream number>:<entry> ->
--                                           <requests left> <numbers, from 0, of those that are done…>;
--                                           `more` -> how many more requests than entries there are in the streams
--   predictq:{M}:id:<head>                  hash: the last 3 characters of a request id, whose others are the head ->
--                                           <fingerprint> <stream number> <entry> <dedup window (ms)>; expires
--   predictq:{M}:id:<head>:parcels          hash of those that came in parcels: <stream number>:<entry> ->
--                                           <dedup window (ms)> <first 8 digits of all fingerprints> <tails…>; expires
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

-- What is known of the ids with this head that came in parcels, as it would stand in their record: by their tails.
local in_parcels = {}
local function known_in_parcels(record)
  if in_parcels[record] then return in_parcels[record] end
  local known, flat = {}, redis.call('HGETALL', record .. ':parcels')
  for f = 1, #flat, 2 do
    local stream, entry = string.match(flat[f], '(%d):(.+)')
    local window, fingerprints, tails = string.match(flat[f + 1], '(%S+) (%S+) (.+)')
    local place, at = ' ' .. stream .. ' ' .. entry .. ' ' .. window, 1
    for tail in string.gmatch(tails, '%S+') do
      known[tail] = string.sub(fingerprints, at, at + 7) .. place
      at = at + 8
    end
  end
  in_parcels[record] = known
  return known
end

-- The hash of parcels beside these leases; nil among results, where there are none.
local function parcels_beside(leases)
  local queue = string.match(leases, '^(predictq:{[^}]*}:requests:)leases$')
  return queue and queue .. 'parcels'
end

-- Forget an id that came in the parcel of that place.
local function forget_in_parcel(record, tail, place)
  local known, tails = string.match(redis.call('HGET', record .. ':parcels', place) or '', '(%S+ %S+ )(.+)')
  if not known then return end
  tails = string.gsub(tails, '%S+', function(other) return other == tail and '*' or other end)
  redis.call('HSET', record .. ':parcels', place, known .. tails)
end

local function known_of(record, tail)
  return redis.call('HGET', record, tail) or known_in_parcels(record)[tail]
end

local function remember_until(record, window)
  if redis.call('PEXPIRE', record, window, 'GT') == 0 then redis.call('PEXPIRE', record, window, 'NX') end
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

-- How many requests the streams hold, waiting or not. KEYS: high, normal, low, bytes, parcels
local function count_held()
  local entries = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + redis.call('XLEN', KEYS[3])
  local more = redis.call('HGET', KEYS[5], 'more')
  if not more then return entries end
  if entries > 0 then return entries + more end
  redis.call('DEL', KEYS[5]) -- somebody has emptied the streams by hand
  return 0
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

-- Append a parcel of results to an inbox that takes bundles. An inbox gets an expiry, lest it outlive a client that is
-- gone. A key of another kind in its place loses the results, as if nobody had wanted them, and harms no other.
local function publish_bundle(key, inbox_ttl, count, ids, sizes, bodies, common)
  local entry = {'parcel', count, 'ids', ids, 'sizes', sizes, 'bodies', bodies, unpack(common)}
  if redis.pcall('XADD', key, '*', unpack(entry)).err then return end
  expire(key, inbox_ttl)
  redis.call('INCRBY', key .. ':more', count - 1)
  expire(key .. ':more', inbox_ttl)
end

-- Append results to their reply-to: in one entry where that is known, else in one each, `id` and `body` first.
local function publish(prefix, reply_to, inbox_ttl, ids, bodies, common)
  if reply_to == '' or #ids == 0 then return end
  local key = prefix .. 'results:' .. reply_to
  if #ids > 1 and bundled(reply_to) then
    local sizes = {}
    for n = 1, #ids do sizes[n] = #bodies[n] end
    return publish_bundle(
      key, inbox_ttl, #ids, table.concat(ids, ' '), table.concat(sizes, ' '), table.concat(bodies), common)
  end
  for n = 1, #ids do
    if redis.pcall('XADD', key, '*', 'id', ids[n], 'body', bodies[n], unpack(common)).err then return end
  end
  if string.sub(reply_to, 1, 6) == 'inbox.' then expire(key, inbox_ttl) end
end

-- As `publish`, for results that are put together already: ids and sizes with spaces between, bodies without.
local function publish_parcel(prefix, reply_to, inbox_ttl, count, ids, sizes, bodies, common)
  if count > 1 and bundled(reply_to) then
    return publish_bundle(prefix .. 'results:' .. reply_to, inbox_ttl, count, ids, sizes, bodies, common)
  end
  local names, parts, first, size = {}, {}, 1, string.gmatch(sizes, '%d+')
  for id in string.gmatch(ids, '%S+') do
    local last = first + size() - 1
    names[#names + 1], parts[#parts + 1] = id, string.sub(bodies, first, last)
    first = last + 1
  end
  publish(prefix, reply_to, inbox_ttl, names, parts, common)
end

-- Take `count` requests out of a parcel, told by their numbers with spaces between; `*`: all that there were. Returns
-- false, and has done nothing, if one of them is out already: the gate of "one answer" for parcels.
local function take_out(stream, group, parcels, place, numbers, count)
  local left, done = string.match(redis.call('HGET', parcels, place) or '', '^(%d+)(.*)')
  if not left then return false end
  if numbers == '*' then
    if done ~= '' then return false end
    count = left
  else
    for number in string.gmatch(numbers, '%d+') do
      if string.find(done .. ' ', ' ' .. number .. ' ', 1, true) then return false end
    end
  end
  if left - count > 0 then
    redis.call('HSET', parcels, place, left - count .. done .. ' ' .. numbers)
    redis.call('HINCRBY', parcels, 'more', -count)
    return true
  end
  local entry = string.sub(place, 3)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('HDEL', parcels, place)
  redis.call('HINCRBY', parcels, 'more', 1 - count)
  return true
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
