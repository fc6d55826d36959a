-- Store requests whose ids nobody can know yet, a parcel of them in one entry, until one does not fit.
-- KEYS: high, normal, low, bytes, parcels
-- ARGV: prefix, max requests, max bytes, max unread results, dedup window (ms),
--       then for each parcel: stream number, reply-to, head of the ids, their tails with spaces between, the first 8
--       digits of each fingerprint, number of requests, bytes of their bodies, number of fields, fields…
-- Returns how many parcels were stored.
local prefix, max_requests, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_unread, window = tonumber(ARGV[4]), ARGV[5]
local held, unread, records, stored, at, failed = count_held(), {[''] = 0}, {}, 0, 6, nil
local bytes = held == 0 and 0 or tonumber(redis.call('GET', KEYS[4]) or 0)
local before = bytes

while at <= #ARGV and not failed do
  local number, reply_to, count, size = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local first, last = at + 8, at + 7 + tonumber(ARGV[at + 7])
  unread[reply_to] = unread[reply_to] or count_unread(prefix .. 'results:' .. reply_to, reply_to)
  if held + count > max_requests or bytes + size > max_bytes or unread[reply_to] >= max_unread then break end
  local entry = redis.pcall('XADD', KEYS[tonumber(number)], '*', 'parcel', count, unpack(ARGV, first, last))
  if entry.err then
    failed = entry
  else
    local place = number .. ':' .. entry
    redis.call('HSET', KEYS[5], place, count)
    redis.call('HINCRBY', KEYS[5], 'more', count - 1)
    if window ~= '0' then
      local record = prefix .. 'id:' .. ARGV[at + 2] .. ':parcels'
      redis.call('HSET', record, place, window .. ' ' .. ARGV[at + 4] .. ' ' .. ARGV[at + 3])
      records[record] = true
    end
    held, bytes, stored, at = held + count, bytes + size, stored + 1, last + 1
  end
end
for record in pairs(records) do remember_until(record, window) end
if bytes ~= before then redis.call('SET', KEYS[4], bytes) end
return failed or stored
