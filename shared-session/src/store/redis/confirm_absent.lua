-- Leaves everything as it is, by writing: who then waits for replicas waits for all that was written before, by whomever.
--
-- KEYS[1]  a key that was absent
--
-- Reply    1
-- Cost     two writes, which replicas see too; none when the key is there again

if redis.call('SET', KEYS[1], '', 'NX', 'PX', 1) then
  redis.call('DEL', KEYS[1])
end
return 1
