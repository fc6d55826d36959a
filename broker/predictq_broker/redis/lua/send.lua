-- Store each request whole or not at all, in order, until the queue is full.
-- KEYS: high, normal, low, bytes
-- ARGV: prefix, max requests, max bytes, max unread results, dedup window (ms), number of requests, then for each:
--       stream number, id, fingerprint, reply-to, size, number of fields, fields…
-- Returns a string with one letter a request: Accepted, Duplicate, Conflict, Full, Unread results.
local prefix, max_requests, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_unread, window = tonumber(ARGV[4]), ARGV[5]

local held = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + redis.call('XLEN', KEYS[3])
local bytes = held == 0 and 0 or tonumber(redis.call('GET', KEYS[4]) or 0)
local before = bytes

local unread = {}
local function room_for_result(reply_to)
  if reply_to == '' then return true end
  local count = unread[reply_to] or redis.call('XLEN', prefix .. 'results:' .. reply_to)
  unread[reply_to] = count
  return count < max_unread
end

local full = false
local function verdict(stream, id, fingerprint, reply_to, size, first, last)
  local key = prefix .. 'id:' .. id
  local known = redis.call('GET', key)
  if known then return string.sub(known, 1, #fingerprint) == fingerprint and 'D' or 'C' end
  full = full or held >= max_requests or bytes + size > max_bytes
  if full then return 'F' end
  if not room_for_result(reply_to) then return 'U' end
  local entry = redis.call('XADD', KEYS[stream], '*', unpack(ARGV, first, last))
  if window ~= '0' then redis.call('SET', key, fingerprint .. ' ' .. stream .. ' ' .. entry, 'PX', window) end
  held, bytes = held + 1, bytes + size
  return 'A'
end

local verdicts, i = {}, 7
for n = 1, tonumber(ARGV[6]) do
  local first = i + 6
  local last = first + tonumber(ARGV[i + 5]) - 1
  verdicts[n] = verdict(tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]), first, last)
  i = last + 1
end
if bytes ~= before then redis.call('SET', KEYS[4], bytes) end
return table.concat(verdicts)
