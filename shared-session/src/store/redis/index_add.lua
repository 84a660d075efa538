-- Adds a member to an index until a deadline. A member's deadline only grows, and so does the lifetime of the index.
-- When the index grows, the script removes the members whose deadline has passed.
--
-- KEYS[1]  the index: a sorted set, members scored by their deadline
-- ARGV[1]  the member
-- ARGV[2]  its deadline in milliseconds since the Unix epoch, below 2^53 (scores and Lua numbers are doubles)
--
-- Reply    1: added, or there already. 0: the deadline has passed, so the member was not added.
-- Cost     O(log members), and O(log members) for each member it removes.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = tonumber(ARGV[2]) - now
if left <= 0 then
  return 0
end
-- This write goes first, because Redis refuses it when it is out of memory.
local added = redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < left then
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
if added == 1 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
end
return 1
