#!lua flags=allow-oom
-- For each delivery still owned: publish the result and forget the request.
-- KEYS: high, normal, low, leases, bytes
-- ARGV: group, consumer, prefix, inbox ttl (ms),
--       number of templates, then for each: number of fields, fields… (what many results have in common)
--       then for each outcome: stream number, entry, size, reply-to, template number, id, timings, body
-- Returns the numbers (from 1) of the outcomes that were not settled: somebody else did that. {0}: we were fenced.
local group, consumer, prefix, inbox_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not owns(KEYS[4], consumer) then return {0} end

local templates, i = {}, 6
for t = 1, tonumber(ARGV[5]) do
  local length = tonumber(ARGV[i])
  templates[t] = {unpack(ARGV, i + 1, i + length)}
  i = i + length + 1
end

local function fields(template, id, timings, body)
  local list = {'id', id, unpack(template)}
  local n = #list
  list[n + 1], list[n + 2], list[n + 3], list[n + 4] = 'timings', timings, 'body', body
  return list
end

local lost, freed, n = {}, 0, 0
local gone = {{'XDEL', KEYS[1]}, {'XDEL', KEYS[2]}, {'XDEL', KEYS[3]}} -- deleted together: it costs a third

local function taken(stream, entry)
  if redis.call('XACK', KEYS[stream], group, entry) == 0 then return false end
  gone[stream][#gone[stream] + 1] = entry
  return true
end

for o = i, #ARGV, 8 do
  local no = refused(prefix, ARGV[o + 3])
  if no then return no end
end

for o = i, #ARGV, 8 do
  n = n + 1
  if taken(tonumber(ARGV[o]), ARGV[o + 1]) then
    freed = freed + tonumber(ARGV[o + 2])
    local template = templates[tonumber(ARGV[o + 4])]
    publish(prefix, ARGV[o + 3], inbox_ttl, fields(template, ARGV[o + 5], ARGV[o + 6], ARGV[o + 7]))
  else
    lost[#lost + 1] = n
  end
end
for _, delete in ipairs(gone) do
  if #delete > 2 then redis.call(unpack(delete)) end
end
shrink(KEYS[5], freed)
return lost
