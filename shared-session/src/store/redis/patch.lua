-- Replaces bytes within a value of unchanged length, if they and the length are as seen before. Never creates a key.
--
-- KEYS[1]  the key
-- ARGV[1]  the length of the value
-- ARGV[2]  its new lifetime in milliseconds, 1 or more
-- ARGV[3…] for each place, one or more: its first and last byte, counted from 0; the bytes seen there; the new bytes
--
-- Reply    1: stored. 0: the key is absent. A bulk string: nothing changed, these bytes are stored now.
-- Cost     reads and writes the places; reads the whole value only when something differs.

local call, key = redis.call, KEYS[1]
local is_as_seen = call('STRLEN', key) == tonumber(ARGV[1])
for i = 3, #ARGV, 4 do
  is_as_seen = is_as_seen and call('GETRANGE', key, ARGV[i], ARGV[i + 1]) == ARGV[i + 2]
end
if not is_as_seen then
  return call('GET', key) or 0
end
-- This write goes first, because Redis refuses it when it is out of memory.
for i = 3, #ARGV, 4 do
  call('SETRANGE', key, ARGV[i], ARGV[i + 3])
end
call('PEXPIRE', key, ARGV[2])
return 1
