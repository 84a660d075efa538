//! The parameters of a run.

use std::{path::PathBuf, time::Duration};

use test_servers::RedisKind;

/// The parameters of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long faults occur.
    pub lasts: Duration,
    /// How many requests must be answered before the run ends: on a busy machine it lasts longer, up to five minutes.
    pub answers: usize,
    /// The seed of the random choices.
    pub seed: u64,
    /// The kind of server.
    pub redis: RedisKind,
    /// The number and the roles of the servers.
    pub topology: Topology,
    /// How many replicas must have a write before it is acknowledged, and be connected for a primary to answer at all.
    pub replicas: u32,
    /// The clients.
    pub load: Load,
    /// Whether the services keep sessions in a near cache.
    pub near_cache: bool,
    /// The faults.
    pub faults: Faults,
    /// The file of the history; the services log beside it.
    pub file: PathBuf,
}

/// Ten minutes of any faults on a single Redis.
impl Default for Plan {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(600),
            answers: 0,
            seed: 0,
            redis: RedisKind::Old,
            topology: Topology::Single,
            replicas: 0,
            load: Load::default(),
            near_cache: false,
            faults: Faults::Any,
            file: PathBuf::from("target/histories/history.jsonl"),
        }
    }
}

impl Plan {
    /// Whether a failover may lose acknowledged data: not if every server that can take over has it.
    #[must_use]
    pub fn may_lose(&self) -> bool {
        self.replicas < self.topology.replicas()
    }

    /// How outdated a read may be: zero, or a second with a near cache.
    #[must_use]
    pub fn bound(&self) -> Duration {
        if self.near_cache { Duration::from_secs(1) } else { Duration::ZERO }
    }
}

/// The number and the roles of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One Redis, and a path to it for each service.
    Single,
    /// A primary, two replicas, three Sentinels.
    Sentinel,
    /// Three primaries, each with a replica.
    Cluster,
}

impl Topology {
    /// How many replicas a primary has.
    #[must_use]
    pub fn replicas(self) -> u32 {
        match self {
            Self::Single => 0,
            Self::Sentinel => 2,
            Self::Cluster => 1,
        }
    }
}

/// The number and the speed of the clients.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Sessions that live at the same time.
    pub users: usize,
    /// Clients that use one session.
    pub workers: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { users: 4, workers: 4 }
    }
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// No faults.
    None,
    /// Primaries are replaced by planned failovers.
    HandOvers,
    /// All faults, one at a time for the servers.
    Any,
    /// Also primaries that are lost after their replicas stopped receiving from them: two faults in a row.
    Worse,
}
