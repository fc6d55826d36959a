#!lua flags=allow-oom
-- Withdraw requests that no consumer holds, and tell their requester.
-- KEYS: high, normal, low, bytes, parcels. ARGV: group, prefix, inbox ttl (ms), ids…
-- Returns the ids withdrawn.
local group, prefix, inbox_ttl = ARGV[1], ARGV[2], ARGV[3]

local function held(stream, entry)
  local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  return not pending.err and pending[1] and pending[1][2] ~= RETURNED
end

local function field(fields, name)
  for f = 1, #fields, 2 do
    if fields[f] == name then return fields[f + 1] end
  end
  return ''
end

-- Take the request out of its entry; returns the bytes of its body, or nil if it has been settled.
local function take(stream, place, id, fields)
  if fields[1] == 'parcel' then
    local number, size = 0, string.gmatch(field(fields, 'sizes'), '%d+')
    for other in string.gmatch(field(fields, 'ids'), '%S+') do
      local bytes = size()
      if other == id then return take_out(stream, group, KEYS[5], place, tostring(number), 1) and bytes or nil end
      number = number + 1
    end
    return nil
  end
  redis.pcall('XACK', stream, group, string.sub(place, 3))
  redis.call('XDEL', stream, string.sub(place, 3))
  return #field(fields, 'body')
end

local function withdraw(id)
  local head, tail = split(id)
  local record = prefix .. 'id:' .. head
  local known = known_of(record, tail)
  if not known or forgotten(known) then return false end
  local number, entry = string.match(known, '^%S+ (%d) (%S+)')
  local stream, place = KEYS[tonumber(number)], number .. ':' .. entry
  local found = redis.call('XRANGE', stream, entry, entry)[1]
  if not found or held(stream, entry) then return false end
  local no = refused(prefix, field(found[2], 'reply_to'))
  if no then error(no) end
  local size = take(stream, place, id, found[2])
  if not size then return false end
  if redis.call('HDEL', record, tail) == 0 then forget_in_parcel(record, tail, place) end -- it may be asked again
  shrink(KEYS[4], tonumber(size))
  local sentence = 'the request was withdrawn before a worker took it'
  local common = {'status', 'cancelled', 'content_type', 'text/plain'}
  publish(prefix, field(found[2], 'reply_to'), inbox_ttl, {id}, {sentence}, common)
  return true
end

local withdrawn = {}
for i = 4, #ARGV do
  if withdraw(ARGV[i]) then withdrawn[#withdrawn + 1] = ARGV[i] end
end
return withdrawn
