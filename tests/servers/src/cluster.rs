//! A cluster of three primaries, each with a replica.

use std::time::{Duration, Instant};

use crate::port;
use crate::process::wait_until;
use crate::redis::{Redis, RedisKind};

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;
/// In milliseconds. A node that is silent for this long is replaced.
const NODE_TIMEOUT: &str = "1500";

/// Six nodes: three primaries, and a replica of each.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts all six, and returns when they agree on the owners of all slots.
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn start(kind: RedisKind) -> Self {
        Self::with_args(kind, &[])
    }

    /// Starts all six with more arguments.
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn with_args(kind: RedisKind, args: &[&str]) -> Self {
        Self::with_nodes(kind, args, Redis::with_args)
    }

    /// The same, each node [behind a proxy](Redis::behind_proxy).
    ///
    /// # Panics
    /// If one of them cannot be started.
    #[must_use]
    pub fn behind_proxies(kind: RedisKind, args: &[&str]) -> Self {
        Self::with_nodes(kind, args, Redis::behind_proxy)
    }

    fn with_nodes(kind: RedisKind, args: &[&str], start: fn(RedisKind, &[&str]) -> Redis) -> Self {
        let ours =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT, "--repl-diskless-sync-delay", "0"];
        let args = [&ours, args].concat();
        let nodes: Vec<_> = (0..2 * PRIMARIES).map(|_| start(kind, &args)).collect();
        let port = |node: &Redis| node.port().to_string();
        for (index, primary) in nodes[..PRIMARIES].iter().enumerate() {
            let slots = SLOTS * index / PRIMARIES..SLOTS * (index + 1) / PRIMARIES;
            let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            assert_eq!(primary.cli(&command), "OK");
            // Different epochs prevent conflicts between the nodes.
            primary.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for node in &nodes[1..] {
            assert_eq!(node.cli(&["CLUSTER", "MEET", "127.0.0.1", &port(&nodes[0])]), "OK");
        }
        let cluster = Self { nodes };
        wait_until("the nodes have met", || {
            cluster.nodes.iter().all(|node| {
                let known = node.cli(&["CLUSTER", "NODES"]);
                known.lines().count() == 2 * PRIMARIES && !known.contains("handshake")
            })
        });
        for (primary, replica) in cluster.nodes[..PRIMARIES].iter().zip(&cluster.nodes[PRIMARIES..]) {
            let id = primary.cli(&["CLUSTER", "MYID"]);
            wait_until("a replica has found its primary", || replica.cli(&["CLUSTER", "REPLICATE", &id]) == "OK");
        }
        wait_until("the cluster is in step", || {
            cluster.nodes.iter().all(|node| {
                let role = node.cli(&["ROLE"]);
                node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                    && (role.starts_with("master\n") || role.contains("\nconnected\n"))
                    && node.cli(&["CLUSTER", "NODES"]).matches("slave").count() == PRIMARIES
            })
        });
        cluster
    }

    /// `redis+cluster://127.0.0.1:port,127.0.0.1:port`, with the first two nodes, or `rediss+cluster://…` with TLS
    #[must_use]
    pub fn url(&self) -> String {
        let [first, second, ..] = &self.nodes[..] else { panic!("too few nodes") };
        let (scheme, first, second) = (first.scheme(), first.announced_port(), second.announced_port());
        format!("{scheme}+cluster://127.0.0.1:{first},127.0.0.1:{second}")
    }

    /// All nodes. Of the first three, primaries at the start, node 3 is the replica of node 0, and so on.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The slot of a key.
    #[must_use]
    pub fn slot(&self, key: &str) -> u16 {
        self.a_node().cli(&["CLUSTER", "KEYSLOT", key]).parse().expect("a slot")
    }

    /// The primary that has `key`, according to a running node.
    #[must_use]
    pub fn owner(&self, key: &str) -> &Redis {
        let slot = self.slot(key);
        let has = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse().is_ok_and(|first| slot >= first) && last.parse().is_ok_and(|last| slot <= last)
        };
        self.primaries_with(|mut ranges| ranges.any(has)).pop().expect("a primary that has the key")
    }

    /// The primaries that have slots, according to a running node.
    #[must_use]
    pub fn primaries(&self) -> Vec<&Redis> {
        self.primaries_with(|mut ranges| ranges.next().is_some())
    }

    fn primaries_with(&self, is_wanted: impl Fn(std::iter::Skip<std::str::Split<'_, char>>) -> bool) -> Vec<&Redis> {
        let nodes = self.a_node().cli(&["CLUSTER", "NODES"]);
        let is_primary = |line: &&str| line.contains("master") && !line.contains("fail");
        let bus = |line: &str| line.split(' ').nth(1)?.split(['@', ',']).nth(1)?.parse().ok();
        let wanted = nodes.lines().filter(is_primary).filter(|line| is_wanted(line.split(' ').skip(8)));
        let wanted: Vec<u16> = wanted.filter_map(bus).collect();
        self.nodes.iter().filter(|node| wanted.contains(&bus_port(node))).collect()
    }

    /// Makes a replica replace its primary without loss, and returns when it has done so.
    ///
    /// # Panics
    /// If it does not take over.
    pub fn promote(&self, replica: &Redis) {
        // Redis aborts a failover that takes longer than 5 s.
        const PATIENCE: Duration = Duration::from_secs(6);
        let mut begun: Option<Instant> = None;
        wait_until("the replica has taken over", || {
            let has = replica.cli(&["ROLE"]).starts_with("master\n");
            if !has && begun.is_none_or(|at| at.elapsed() > PATIENCE) {
                begun = (replica.cli(&["CLUSTER", "FAILOVER"]) == "OK").then(Instant::now);
            }
            has
        });
    }

    /// The reason to wait, until all nodes run and agree, and each primary has an up-to-date replica.
    ///
    /// # Panics
    /// If a node does not answer.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let primaries = self.primaries();
        if primaries.len() != PRIMARIES {
            return Some(format!("{} primaries", primaries.len()));
        }
        if let Some(primary) = primaries.iter().find(|primary| !primary.has_in_step(1)) {
            return Some(format!("the replica of the node on port {} is not in step", primary.port()));
        }
        let is_well = |node: &&Redis| {
            let known = node.cli(&["CLUSTER", "NODES"]);
            node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && known.lines().count() == 2 * PRIMARIES
                && known.lines().filter(|line| line.contains("master") && line.split(' ').nth(8).is_some()).count()
                    == PRIMARIES
                && !["fail", "handshake", "noaddr", "disconnected"].iter().any(|flag| known.contains(flag))
        };
        let unwell = self.nodes.iter().find(|node| !is_well(node))?;
        Some(format!("the node on port {} sees another cluster", unwell.port()))
    }

    /// Kills the primary that has `key`, and returns it when its replica has replaced it.
    ///
    /// # Panics
    /// If no replica takes over.
    pub fn fail_over(&self, key: &str) -> &Redis {
        let old = self.owner(key);
        old.kill();
        self.wait_for_another_than(old);
        old
    }

    /// Returns when all other running nodes name a primary other than `old` for its slots.
    ///
    /// # Panics
    /// If they do not.
    pub fn wait_for_another_than(&self, old: &Redis) {
        let address = format!("@{}", bus_port(old));
        wait_until("another node takes over", || {
            let others = self.nodes.iter().filter(|node| node.id().is_some() && node.port() != old.port());
            others.into_iter().all(|node| {
                let nodes = node.cli(&["CLUSTER", "NODES"]);
                let has_slots = |line: &str| line.contains(&address) && line.split(' ').nth(8).is_some();
                !nodes.lines().any(has_slots) && node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            })
        });
    }

    /// Begins to move the slot of `key` to a primary that does not have it, which is returned. Until
    /// [`finish_moving`](Self::finish_moving) existing keys stay, and the new node serves new keys.
    ///
    /// # Panics
    /// If the nodes refuse.
    pub fn begin_moving(&self, key: &str) -> &Redis {
        let (slot, from) = (self.slot(key).to_string(), self.owner(key));
        let other = self.primaries().into_iter().find(|node| node.port() != from.port());
        let to = other.expect("another primary");
        let (from_id, to_id) = (from.cli(&["CLUSTER", "MYID"]), to.cli(&["CLUSTER", "MYID"]));
        assert_eq!(to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]), "OK");
        assert_eq!(from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]), "OK");
        to
    }

    /// Moves the keys of the slot of `key` to `to`, and then the slot.
    ///
    /// # Panics
    /// If the nodes refuse.
    pub fn finish_moving(&self, key: &str, to: &Redis) {
        let (slot, from, port) = (self.slot(key).to_string(), self.owner(key), to.port().to_string());
        for key in from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).lines() {
            let moved = from.cli(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
            assert!(["OK", "NOKEY"].contains(&&*moved), "{moved}");
        }
        let id = to.cli(&["CLUSTER", "MYID"]);
        for node in [to, from] {
            assert_eq!(node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]), "OK");
        }
    }

    fn a_node(&self) -> &Redis {
        self.nodes.iter().find(|node| node.id().is_some()).expect("a node that runs")
    }
}

/// The port for the other nodes, which they know. The port for clients depends on the asking connection: it is 0 if the
/// node accepts only TLS and the connection does not use it.
fn bus_port(node: &Redis) -> u16 {
    node.port() + port::BUS_OFFSET
}
