//! The faults.

use std::fmt;

use test_servers::Trouble;

/// A temporary fault. Servers, paths and services are identified by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A server is killed, and started again with its data.
    RedisKilled(usize),
    /// A server is stopped.
    RedisStopped(usize),
    /// A primary is killed, and started again when another server has taken its place.
    PrimaryKilled(usize),
    /// A primary is stopped until another server has replaced it, and then continues as if nothing had happened.
    PrimaryStopped(usize),
    /// A primary's replicas and its present connections no longer receive from it; new connections do. Then it is
    /// killed, and started again when another server has replaced it.
    PrimaryLost(usize),
    /// A primary is replaced by a planned failover.
    HandedOver(usize),
    /// A Sentinel is killed.
    SentinelKilled(usize),
    /// A Sentinel is stopped.
    SentinelStopped(usize),
    /// The slot of this key is moved to another primary.
    SlotMoved(String),
    /// A server delays writes, as before a planned failover.
    WritesPaused(usize),
    /// A server delays all commands.
    AllPaused(usize),
    /// A server has no memory left.
    Full(usize),
    /// A single server has become a replica.
    Demoted(usize),
    /// A single server lacks its replicas.
    NoReplicas(usize),
    /// A server forgets its scripts.
    ScriptsForgotten(usize),
    /// A server ends all connections.
    ClientsKilled(usize),
    /// Some paths have trouble.
    Way(Trouble, Vec<usize>),
    /// A firewall forgets the connections on some paths.
    Forgotten(Vec<usize>),
    /// The connections on some paths are cut, several times.
    Cut(Vec<usize>),
    /// A service is killed.
    ServiceKilled(usize),
    /// A service is stopped.
    ServiceStopped(usize),
    /// No fault: another server has become a primary.
    Promoted(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
