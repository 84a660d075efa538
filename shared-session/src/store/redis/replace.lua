-- Replaces a value if a part of it is unchanged. Never creates a key.
--
-- KEYS[1]  the key
-- ARGV[1]  the start of the part, in bytes from 0
-- ARGV[2]  the part
-- ARGV[3]  the new value
-- ARGV[4]  its lifetime in milliseconds, 1 or more
--
-- Reply    1: stored. 0: the key is absent. A bulk string, maybe empty: nothing changed, these bytes are stored now.
-- Cost     reads the part and writes the value; reads the whole value only when the part differs.

local from, part = tonumber(ARGV[1]), ARGV[2]
if #part == 0 or redis.call('GETRANGE', KEYS[1], from, from + #part - 1) ~= part then
  local current = redis.call('GET', KEYS[1])
  if not current then
    return 0
  end
  if #part > 0 or #current < from then
    return current
  end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
