#!lua flags=allow-oom
-- For each delivery still owned: publish the result and forget the request.
-- KEYS: high, normal, low, leases, bytes
-- ARGV: group, consumer, prefix, inbox ttl (ms),
--       then runs of outcomes that have much in common: stream number, reply-to, number of outcomes (at most 1000),
--       number of common fields, common fields…, entries…, sizes…, ids…, bodies…
-- Returns the numbers (from 1) of the outcomes that were not settled: somebody else did that. {0}: we were fenced.
local group, consumer, prefix, inbox_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not owns(KEYS[4], consumer) then return {0} end

local runs, at = {}, 5
while at <= #ARGV do
  local count, first = tonumber(ARGV[at + 2]), at + 4 + tonumber(ARGV[at + 3])
  runs[#runs + 1] = {
    stream = KEYS[tonumber(ARGV[at])], reply_to = ARGV[at + 1], common = {unpack(ARGV, at + 4, first - 1)},
    count = count, first = first,
  }
  at = first + 4 * count
end
for _, run in ipairs(runs) do
  local no = refused(prefix, run.reply_to)
  if no then return no end
end

local lost, freed, n = {}, 0, 0

-- Take the entries of a run out of their stream. Where we do not get them all, some were settled before, and so are not
-- in the stream any more: then returns which are ours. This is the gate of "one answer".
local function take(run)
  local last, ours = run.first + run.count - 1, {}
  if redis.call('XACK', run.stream, group, unpack(ARGV, run.first, last)) == run.count then
    redis.call('XDEL', run.stream, unpack(ARGV, run.first, last))
    return nil
  end
  for k = 1, run.count do ours[k] = redis.call('XDEL', run.stream, ARGV[run.first + k - 1]) == 1 end
  return ours
end

local function settle(run)
  local ours, answered, answers, place = take(run), {}, {}, 0
  local sizes, ids, bodies = run.first + run.count - 1, run.first + 2 * run.count - 1, run.first + 3 * run.count - 1
  for k = 1, run.count do
    if not ours or ours[k] then
      freed = freed + tonumber(ARGV[sizes + k])
      place = place + 1
      answered[place], answers[place] = ARGV[ids + k], ARGV[bodies + k]
    else
      lost[#lost + 1] = n + k
    end
  end
  n = n + run.count
  publish(prefix, run.reply_to, inbox_ttl, answered, answers, run.common)
end

for _, run in ipairs(runs) do settle(run) end
shrink(KEYS[5], freed)
return lost
