#!/bin/sh
# Starts a Sentinel that watches the server `redis` under the name "sessions". A Sentinel rewrites its file.
set -eu
cat > /tmp/sentinel.conf <<'CONFIG'
port 26379
dir /tmp
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor sessions redis 6379 2
sentinel down-after-milliseconds sessions 5000
sentinel failover-timeout sessions 20000
CONFIG
exec redis-sentinel /tmp/sentinel.conf
