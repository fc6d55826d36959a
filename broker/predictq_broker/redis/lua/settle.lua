#!lua flags=allow-oom
-- For each delivery still owned: publish the result and forget the request.
-- KEYS: high, normal, low, leases, bytes
-- ARGV: group, consumer, prefix, inbox ttl (ms),
--       then groups of outcomes that have much in common: stream number, reply-to, number of common fields,
--       number of outcomes (at most 1000), common fields…, then for each outcome: entry, size, id, body
-- Returns the numbers (from 1) of the outcomes that were not settled: somebody else did that. {0}: we were fenced.
local group, consumer, prefix, inbox_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not owns(KEYS[4], consumer) then return {0} end

local groups, i = {}, 5
while i <= #ARGV do
  local fields, count = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local first = i + 4 + fields
  groups[#groups + 1] = {
    stream = KEYS[tonumber(ARGV[i])], reply_to = ARGV[i + 1], common = {unpack(ARGV, i + 4, first - 1)},
    first = first, last = first + 4 * count - 1, count = count,
  }
  i = first + 4 * count
end
for _, one in ipairs(groups) do
  local no = refused(prefix, one.reply_to)
  if no then return no end
end

local lost, freed, n = {}, 0, 0

-- Take the entries of a group out of their stream. Where we do not get them all, some were settled before, and so are
-- not in the stream any more: this is the gate of "one answer".
local function take(one)
  local entries, ours = {}, {}
  for o = one.first, one.last, 4 do entries[#entries + 1] = ARGV[o] end
  if redis.call('XACK', one.stream, group, unpack(entries)) == one.count then
    redis.call('XDEL', one.stream, unpack(entries))
    return nil
  end
  for number, entry in ipairs(entries) do ours[number] = redis.call('XDEL', one.stream, entry) == 1 end
  return ours
end

for _, one in ipairs(groups) do
  local ours, answers = take(one), {}
  for o = one.first, one.last, 4 do
    n = n + 1
    if not ours or ours[(o - one.first) / 4 + 1] then
      freed = freed + tonumber(ARGV[o + 1])
      local place = #answers
      answers[place + 1], answers[place + 2], answers[place + 3], answers[place + 4] = 'id', ARGV[o + 2], 'body', ARGV[o + 3]
    else
      lost[#lost + 1] = n
    end
  end
  publish(prefix, one.reply_to, inbox_ttl, one.common, answers)
end
shrink(KEYS[5], freed)
return lost
