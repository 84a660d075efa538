-- Writes without changing anything, so that a WAIT after it also covers all earlier writes of other connections.
--
-- KEYS[1]  a key that was absent
--
-- Reply    1
-- Cost     two writes, which replicas see too; none when the key exists again

if redis.call('SET', KEYS[1], '', 'NX', 'PX', 1) then
  redis.call('DEL', KEYS[1])
end
return 1
