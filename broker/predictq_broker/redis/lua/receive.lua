#!lua flags=allow-oom
-- Hand entries to a consumer: stream by stream, those given back first, then new ones.
-- KEYS: streams in the order they are read, then leases
-- ARGV: group, consumer, 1 if it joined before, max entries, max rows, max bytes, max suspects
-- Returns {seconds, microseconds, {stream number, attempt, {{entry, fields}…}}…}, or {} if the consumer was fenced.
local group, consumer, joined = ARGV[1], ARGV[2], ARGV[3] == '1'
local entries, rows, bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local suspects = tonumber(ARGV[7]) -- those that outlived a consumer
local leases = KEYS[#KEYS]
local CHUNK = 64 -- read at once; of these, what turns out not to fit is left unread

if joined and not owns(leases, consumer) then return {} end

local now = redis.call('TIME')
local reply = {now[1], now[2]}

local function count(fields)
  local own = 1
  for f = 1, #fields, 2 do
    if fields[f] == 'rows' then own = tonumber(fields[f + 1]) or 1 end
    if fields[f] == 'body' then bytes = bytes - #fields[f + 1] end
  end
  rows = rows - own
  entries = entries - 1
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
      local suspect = item[4] > 0 and 1 or 0
      if not room() or suspect > suspects then return end
      local claimed = redis.call('XCLAIM', KEYS[stream], group, consumer, 0, item[1])
      if claimed[1] and claimed[1][2] then
        reply[#reply + 1] = {stream, item[4] + 1, claimed}
        count(claimed[1][2])
        suspects = suspects - suspect
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
    local read = found[1][2]
    reply[#reply + 1] = {stream, 1, read}
    for n, entry in ipairs(read) do
      if not room() then return unread(stream, read, n) end
      count(entry[2])
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
