#!/bin/sh
# Joins redis-node-1 to redis-node-6 to a cluster of three primaries with a replica each, unless they are one already.
set -eu
if redis-cli -h redis-node-1 cluster info | grep -q '^cluster_state:ok'; then
    echo "== There is a cluster already"
    exit 0
fi
nodes=
for number in 1 2 3 4 5 6; do
    # Nodes are told addresses, not names.
    nodes="$nodes $(getent hosts "redis-node-$number" | cut -d ' ' -f 1):6379"
done
# shellcheck disable=SC2086 # One word for each node.
redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes
until redis-cli -h redis-node-1 cluster info | grep -q '^cluster_state:ok'; do
    sleep 1
done
