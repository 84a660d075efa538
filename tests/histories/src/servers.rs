//! The servers that hold the sessions: one Redis, a primary that Sentinels watch, or a cluster.

use std::{
    thread,
    time::{Duration, Instant},
};

use test_servers::{Cluster, Proxy, Redis, Sentinel};

use crate::{
    plan::{Plan, Topology},
    random::Random,
};

const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);
/// Acknowledged data survives a kill, because it is on the disk.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// A client gives up a silently lost connection after seconds, and the failure of a part of a cluster does not affect
/// the others.
const REPLICATED: [&str; 6] =
    ["--repl-ping-replica-period", "1", "--repl-timeout", "6", "--cluster-require-full-coverage", "no"];

/// The running servers. All data survives a kill.
#[derive(Debug)]
pub enum Servers {
    /// One Redis, and each service's path to it.
    Single {
        /// The server.
        redis: Redis,
        /// In the order of the services.
        ways: Vec<Proxy>,
    },
    /// Servers behind proxies.
    Sentinel(Sentinel),
    /// Nodes behind proxies.
    Cluster(Cluster),
}

impl Servers {
    /// Starts the servers, for this many services.
    ///
    /// # Panics
    /// If a server does not start.
    #[must_use]
    pub fn start(plan: &Plan, services: usize) -> Self {
        // A primary that has lost its replicas refuses writes.
        let replicas = plan.replicas.to_string();
        let guarded = ["--min-replicas-to-write", &replicas, "--min-replicas-max-lag", "2"];
        let args = [&DURABLE[..], &REPLICATED, &guarded].concat();
        let servers = match plan.topology {
            Topology::Single => {
                let redis = Redis::with_args(plan.redis, &DURABLE);
                Self::Single { ways: (0..services).map(|_| Proxy::to(redis.port())).collect(), redis }
            }
            Topology::Sentinel => Self::Sentinel(Sentinel::behind_proxies(plan.redis, &args)),
            Topology::Cluster => Self::Cluster(Cluster::behind_proxies(plan.redis, &args)),
        };
        servers.wait_until_whole();
        servers
    }

    /// The settings of a service.
    #[must_use]
    pub fn url(&self, service: usize) -> String {
        match self {
            Self::Single { ways, .. } => ways[service].redis_url(),
            Self::Sentinel(sentinel) => sentinel.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// All servers with data.
    #[must_use]
    pub fn all(&self) -> &[Redis] {
        match self {
            Self::Single { redis, .. } => std::slice::from_ref(redis),
            Self::Sentinel(sentinel) => sentinel.servers(),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }

    /// The paths that can have trouble: to Redis from each service, or to each server.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn ways(&self) -> Vec<&Proxy> {
        match self {
            Self::Single { ways, .. } => ways.iter().collect(),
            Self::Sentinel(_) | Self::Cluster(_) => self.all().iter().map(|server| server.way().unwrap()).collect(),
        }
    }

    /// The present primaries.
    #[must_use]
    pub fn primaries(&self) -> Vec<usize> {
        let primaries = match self {
            Self::Single { redis, .. } => vec![redis],
            Self::Sentinel(sentinel) => vec![sentinel.primary()],
            Self::Cluster(cluster) => cluster.primaries(),
        };
        let is_primary = |server: &Redis| primaries.iter().any(|primary| primary.port() == server.port());
        self.all().iter().enumerate().filter(|(_, server)| is_primary(server)).map(|(at, _)| at).collect()
    }

    /// Returns when all servers run and agree, and replicas are in step.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait_until_whole(&self) {
        let deadline = Instant::now() + PATIENCE;
        let lacks = || match self {
            Self::Single { .. } => None,
            Self::Sentinel(sentinel) => sentinel.lacks(),
            Self::Cluster(cluster) => cluster.lacks(),
        };
        while let Some(what) = lacks() {
            assert!(Instant::now() < deadline, "not whole again: {what}");
            thread::sleep(POLL);
        }
    }

    /// Returns when another server has replaced a primary.
    ///
    /// # Panics
    /// If none takes over.
    pub fn wait_for_another_than(&self, primary: usize) {
        match self {
            Self::Single { .. } => {}
            Self::Sentinel(sentinel) => sentinel.wait_for_another_than(&self.all()[primary]),
            Self::Cluster(cluster) => cluster.wait_for_another_than(&self.all()[primary]),
        }
    }

    /// Makes a replaced primary follow its successor, as start scripts and operators do. The Sentinels would take ten
    /// seconds.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn follow(&self, server: usize) {
        if let Self::Sentinel(sentinel) = self {
            let port = sentinel.primary().announced_port().to_string();
            self.all()[server].cli(&["REPLICAOF", "127.0.0.1", &port]);
        }
    }

    /// Replaces a primary as for an upgrade, and returns when it is replaced.
    ///
    /// # Panics
    /// If it is not replaced.
    pub fn hand_over(&self, primary: usize) {
        match self {
            Self::Single { .. } => {}
            Self::Sentinel(sentinel) => sentinel.fail_over(),
            Self::Cluster(cluster) => {
                let upstream = format!("slave\n127.0.0.1\n{}\n", self.all()[primary].announced_port());
                let replica = cluster.nodes().iter().find(|node| node.cli(&["ROLE"]).starts_with(&upstream));
                cluster.promote(replica.unwrap());
            }
        }
    }

    /// A key on some primary, if there is one.
    #[must_use]
    pub fn some_key(&self, random: &mut Random) -> Option<String> {
        let primary = *random.pick(&self.primaries());
        Some(self.all()[primary].cli(&["RANDOMKEY"])).filter(|key| key != "(nil)")
    }

    /// The lifetime of a key in Redis.
    ///
    /// # Panics
    /// If Redis does not answer.
    #[must_use]
    pub fn lifetime(&self, key: &str) -> i64 {
        let server = match self {
            Self::Single { redis, .. } => redis,
            Self::Sentinel(sentinel) => sentinel.primary(),
            Self::Cluster(cluster) => cluster.owner(key),
        };
        server.cli(&["TTL", key]).parse().unwrap()
    }

    /// How many keys have no lifetime.
    ///
    /// # Panics
    /// If Redis does not answer.
    #[must_use]
    pub fn immortal_keys(&self) -> u64 {
        const COUNT: &str = "local count = 0 for _, key in ipairs(redis.call('KEYS', '*')) do \
                             if redis.call('TTL', key) == -1 then count = count + 1 end end return count";
        let count = |primary: usize| self.all()[primary].cli(&["EVAL", COUNT, "0"]).parse::<u64>().unwrap();
        self.primaries().into_iter().map(count).sum()
    }
}
