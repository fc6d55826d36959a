-- Store each request whole or not at all, in order, until the queue is full.
-- KEYS: high, normal, low, bytes
-- ARGV: prefix, max requests, max bytes, max unread results, dedup window (ms),
--       number of templates, then for each: stream number, reply-to, number of fields, fields… (what many have in common)
--       then for each request: template number, id, fingerprint, body
-- Returns a string with one letter a request: Accepted, Duplicate, Conflict, Full, Unread results.
local prefix, max_requests, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_unread, window = tonumber(ARGV[4]), ARGV[5]

local templates, unread, first = {}, {[''] = 0}, 7
for t = 1, tonumber(ARGV[6]) do
  local last, reply_to = first + 2 + tonumber(ARGV[first + 2]), ARGV[first + 1]
  templates[t] = {stream = ARGV[first], reply_to = reply_to, fields = {unpack(ARGV, first + 3, last)}}
  unread[reply_to] = unread[reply_to] or count_unread(prefix .. 'results:' .. reply_to, reply_to)
  first = last + 1
end

-- What is known of the ids. Those whose head is the same share a record, and are looked up and remembered together.
local records, known, record_of, tail_of = {}, {}, {}, {}
for r = first, #ARGV, 4 do
  local head, tail = split(ARGV[r + 1])
  local record = records[head] or {key = prefix .. 'id:' .. head, tails = {}, ids = {}, fresh = {}}
  local n = #record.tails + 1
  record.tails[n], record.ids[n] = tail, ARGV[r + 1]
  records[head], record_of[r], tail_of[r] = record, record, tail
end
for _, record in pairs(records) do
  for from = 1, #record.tails, SLICE do
    local found = redis.call('HMGET', record.key, unpack(record.tails, from, math.min(from + SLICE - 1, #record.tails)))
    for n, value in ipairs(found) do known[record.ids[from + n - 1]] = value end
  end
end

local held = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) + redis.call('XLEN', KEYS[3])
local bytes = held == 0 and 0 or tonumber(redis.call('GET', KEYS[4]) or 0)
local before = bytes

local full, failed = false, nil
local function verdict(r, template, id, fingerprint, body)
  local seen = known[id]
  if seen and not forgotten(seen) then return string.sub(seen, 1, #fingerprint) == fingerprint and 'D' or 'C' end
  full = full or held >= max_requests or bytes + #body > max_bytes
  if full then return 'F' end
  if template.reply_to ~= '' and unread[template.reply_to] >= max_unread then return 'U' end
  local stream = template.stream
  local entry = redis.pcall('XADD', KEYS[tonumber(stream)], '*', 'id', id, 'body', body, unpack(template.fields))
  if entry.err then
    failed = entry
    return nil
  end
  held, bytes = held + 1, bytes + #body
  if window ~= '0' then
    local fresh, value = record_of[r].fresh, fingerprint .. ' ' .. stream .. ' ' .. entry .. ' ' .. window
    fresh[#fresh + 1], fresh[#fresh + 2], known[id] = tail_of[r], value, value
  end
  return 'A'
end

local verdicts = {}
for r = first, #ARGV, 4 do
  local letter = verdict(r, templates[tonumber(ARGV[r])], ARGV[r + 1], ARGV[r + 2], ARGV[r + 3])
  if not letter then break end
  verdicts[#verdicts + 1] = letter
end
for _, record in pairs(records) do
  for from = 1, #record.fresh, SLICE do
    redis.call('HSET', record.key, unpack(record.fresh, from, math.min(from + SLICE - 1, #record.fresh)))
  end
  if #record.fresh > 0 and redis.call('PEXPIRE', record.key, window, 'GT') == 0 then
    redis.call('PEXPIRE', record.key, window, 'NX')
  end
end
if bytes ~= before then redis.call('SET', KEYS[4], bytes) end
return failed or table.concat(verdicts)
