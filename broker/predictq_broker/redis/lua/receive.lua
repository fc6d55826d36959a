#!lua flags=allow-oom
-- Hand entries to a consumer: stream by stream, those given back first, then new ones.
-- KEYS: streams in the order they are read, then leases
-- ARGV: group, consumer, 1 if it joined before, max entries, max rows, max bytes, max suspects
-- Returns {seconds, microseconds, {stream number, attempt, {{entry, fields}…}}…}, or {} if the consumer was fenced. Where
-- there are parcels among the entries, a fourth follows these three: the state of each entry, '' if it is none.
local group, consumer, joined = ARGV[1], ARGV[2], ARGV[3] == '1'
local entries, rows, bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local suspects = tonumber(ARGV[7]) -- those that outlived a consumer
local leases = KEYS[#KEYS]
local parcels = parcels_beside(leases)
local CHUNK = 64 -- read at once; of these, what turns out not to fit is left unread

if joined and not owns(leases, consumer) then return {} end

local now = redis.call('TIME')
local reply = {now[1], now[2]}

-- Take what an entry needs from the room there is; returns how many requests it holds, and its state if it is a parcel.
local function count(stream, name, fields)
  local own, requests, state = 1, 1, ''
  if fields[1] == 'parcel' and parcels then
    state = redis.call('HGET', parcels, stream .. ':' .. name) or '' -- if somebody else wrote it, it is none
    requests = tonumber(string.match(state, '%d+') or 1)
  end
  for f = 1, #fields, 2 do
    if fields[f] == 'rows' then own = tonumber(fields[f + 1]) or 1 end
    if fields[f] == 'body' or fields[f] == 'bodies' then bytes = bytes - #fields[f + 1] end
  end
  rows = rows - own * requests
  entries = entries - requests
  return requests, state
end

local function room() return entries > 0 and rows > 0 and bytes > 0 end

local function given_back(stream)
  while room() do
    local size = math.min(entries, CHUNK)
    local pending = redis.pcall('XPENDING', KEYS[stream], group, '-', '+', size, RETURNED)
    if pending.err then
      redis.call('XGROUP', 'CREATE', KEYS[stream], group, 0, 'MKSTREAM')
      return
    end
    for _, item in ipairs(pending) do
      local suspect = item[4] > 0
      if not room() or (suspect and suspects <= 0) then return end
      local claimed = redis.call('XCLAIM', KEYS[stream], group, consumer, 0, item[1])
      if claimed[1] and claimed[1][2] then
        local requests, state = count(stream, unpack(claimed[1]))
        reply[#reply + 1] = {stream, item[4] + 1, claimed, state ~= '' and {state} or nil}
        if suspect then suspects = suspects - requests end
      end
    end
    if #pending < size then return end
  end
end

-- As if the entries from number `first` on had not been read; nobody else has read any since.
local function unread(stream, read, first)
  local names = {}
  for n = #read, first, -1 do names[#names + 1] = table.remove(read)[1] end
  redis.call('XACK', KEYS[stream], group, unpack(names))
  redis.call('XGROUP', 'SETID', KEYS[stream], group, read[first - 1][1])
end

local function new(stream)
  while room() do
    local size = math.min(entries, CHUNK)
    local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', size, 'STREAMS', KEYS[stream], '>')
    if not found then return end
    local read, states = found[1][2], {}
    local handed = {stream, 1, read}
    reply[#reply + 1] = handed
    for n, entry in ipairs(read) do
      if not room() then return unread(stream, read, n) end
      states[n] = select(2, count(stream, unpack(entry)))
      if states[n] ~= '' then handed[4] = states end
    end
    if #read < size then return end
  end
end

for stream = 1, #KEYS - 1 do
  given_back(stream)
  new(stream)
end
if not joined then redis.call('HSET', leases, consumer, 0) end
return reply
