#!lua flags=allow-oom
-- For each part of a parcel that is still owned: publish the results and forget the requests.
-- KEYS: high, normal, low, leases, bytes, parcels
-- ARGV: group, consumer, prefix, inbox ttl (ms),
--       then for each part: place of the parcel (<stream number>:<entry>), reply-to, number of requests, bytes of their
--       bodies, their numbers in the parcel (from 0, with spaces between; `*`: all), ids, sizes and bodies of the answers,
--       number of common fields, common fields…
-- Returns the numbers (from 1) of the parts with which nothing was done, for somebody has settled some of it. {0}: we
-- were fenced.
local group, consumer, prefix, inbox_ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not owns(KEYS[4], consumer) then return {0} end

local parts, at = {}, 5
while at <= #ARGV do
  local last = at + 8 + tonumber(ARGV[at + 8])
  local no = refused(prefix, ARGV[at + 1])
  if no then return no end
  parts[#parts + 1] = {first = at, common = {unpack(ARGV, at + 9, last)}}
  at = last + 1
end

local lost, freed = {}, 0
for n, part in ipairs(parts) do
  local place, reply_to, count, size, numbers, ids, sizes, bodies = unpack(ARGV, part.first, part.first + 7)
  local stream = KEYS[tonumber(string.sub(place, 1, 1))]
  if take_out(stream, group, KEYS[6], place, numbers, tonumber(count)) then
    freed = freed + size
    publish_parcel(prefix, reply_to, inbox_ttl, tonumber(count), ids, sizes, bodies, part.common)
  else
    lost[#lost + 1] = n
  end
end
shrink(KEYS[5], freed)
return lost
