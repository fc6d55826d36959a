-- Store each request whole or not at all, in order, until the queue is full.
-- KEYS: high, normal, low, bytes, parcels
-- ARGV: prefix, max requests, max bytes, max unread results, dedup window (ms),
--       then runs of requests that have much in common: stream number, reply-to, head of the ids, number of requests (at
--       most 1000), number of common fields, common fields…, tails of the ids…, fingerprints…, bodies…
-- Returns a string with one letter a request: Accepted, Duplicate, Conflict, Full, Unread results.
local prefix, max_requests, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_unread, window = tonumber(ARGV[4]), ARGV[5]

local runs, unread, at = {}, {[''] = 0}, 6
while at <= #ARGV do
  local reply_to, count, fields = ARGV[at + 1], tonumber(ARGV[at + 3]), at + 5 + tonumber(ARGV[at + 4])
  runs[#runs + 1] = {
    stream = ARGV[at], reply_to = reply_to, head = ARGV[at + 2], record = prefix .. 'id:' .. ARGV[at + 2],
    common = {unpack(ARGV, at + 5, fields - 1)}, count = count, first = fields,
  }
  unread[reply_to] = unread[reply_to] or count_unread(prefix .. 'results:' .. reply_to, reply_to)
  at = fields + 3 * count
end

local held = count_held()
local bytes = held == 0 and 0 or tonumber(redis.call('GET', KEYS[4]) or 0)
local before, full = bytes, false

local function judged(run, seen, fingerprint, body)
  if seen and not forgotten(seen) then
    local before = string.match(seen, '%S+') -- of one that came in a parcel only the first digits were kept
    return string.sub(fingerprint, 1, #before) == before and 'D' or 'C'
  end
  full = full or held >= max_requests or bytes + #body > max_bytes
  if full then return 'F' end
  return run.reply_to ~= '' and unread[run.reply_to] >= max_unread and 'U' or 'A'
end

local function remember(record, fresh)
  if #fresh == 0 then return end
  redis.call('HSET', record, unpack(fresh))
  remember_until(record, window)
end

-- Store the requests of one run, and what is to be known of their ids; returns an error if Redis gave one.
local verdicts, n = {}, 0
local function store(run)
  local tails, fingerprints, bodies = run.first, run.first + run.count, run.first + 2 * run.count
  local known = redis.call('HMGET', run.record, unpack(ARGV, tails, fingerprints - 1))
  local new, fresh, place, stream = {}, {}, 0, KEYS[tonumber(run.stream)]
  for k = 1, run.count do
    local tail, fingerprint, body = ARGV[tails + k - 1], ARGV[fingerprints + k - 1], ARGV[bodies + k - 1]
    local letter = judged(run, new[tail] or known[k] or known_in_parcels(run.record)[tail], fingerprint, body)
    if letter == 'A' then
      local entry = redis.pcall('XADD', stream, '*', 'id', run.head .. tail, 'body', body, unpack(run.common))
      if entry.err then
        remember(run.record, fresh)
        return entry
      end
      held, bytes = held + 1, bytes + #body
      if window ~= '0' then
        new[tail] = fingerprint .. ' ' .. run.stream .. ' ' .. entry .. ' ' .. window
        fresh[place + 1], fresh[place + 2], place = tail, new[tail], place + 2
      end
    end
    verdicts[n + k] = letter
  end
  n = n + run.count
  remember(run.record, fresh)
end

local failed
for _, run in ipairs(runs) do
  failed = store(run)
  if failed then break end
end
if bytes ~= before then redis.call('SET', KEYS[4], bytes) end
return failed or table.concat(verdicts)
