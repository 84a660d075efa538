-- Deletes a key if a part of its value is unchanged. The only write is DEL, which Redis allows when it is out of
-- memory.
--
-- KEYS[1]  the key
-- ARGV[1]  the start of the part, in bytes from 0
-- ARGV[2]  the part
--
-- Reply    1: deleted. 0: the key is absent. A bulk string, maybe empty: nothing changed, these bytes are stored now.
-- Cost     reads the part; reads the whole value only when the part differs.

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
redis.call('DEL', KEYS[1])
return 1
