#!lua flags=allow-oom
-- Withdraw requests that no consumer holds, and tell their requester.
-- KEYS: high, normal, low, bytes. ARGV: group, prefix, inbox ttl (ms), ids…
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

local function withdraw(id)
  local head, tail = split(id)
  local known = redis.call('HGET', prefix .. 'id:' .. head, tail)
  if not known or forgotten(known) then return false end
  local number, entry = string.match(known, '^%S+ (%d) (%S+)')
  local stream = KEYS[tonumber(number)]
  local found = redis.call('XRANGE', stream, entry, entry)[1]
  if not found or held(stream, entry) then return false end
  local no = refused(prefix, field(found[2], 'reply_to'))
  if no then error(no) end
  redis.pcall('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('HDEL', prefix .. 'id:' .. head, tail) -- so that the same id may be asked again
  shrink(KEYS[4], #field(found[2], 'body'))
  local sentence = 'the request was withdrawn before a worker took it'
  local common = {'status', 'cancelled', 'content_type', 'text/plain'}
  publish(prefix, field(found[2], 'reply_to'), inbox_ttl, {'id', id, 'body', sentence}, common)
  return true
end

local withdrawn = {}
for i = 4, #ARGV do
  if withdraw(ARGV[i]) then withdrawn[#withdrawn + 1] = ARGV[i] end
end
return withdrawn
