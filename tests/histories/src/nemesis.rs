//! What breaks things: one fault after the other, sometimes with one of a service, each mended before the next begins.

mod choice;

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use test_servers::Trouble;

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Phase, Recorder, Value},
    place::Place,
    random::Random,
};

/// For how long a primary that was replaced while it was stopped takes itself for one, in milliseconds. Sentinels would
/// let it for ten seconds.
const TWO_PRIMARIES: u64 = 2000;

/// For how much longer a primary that is to be lost goes on, in milliseconds: services need one second to come back to it,
/// replicas six.
const UNHEARD: u64 = 1500;

/// Something that is broken for a while. Servers, ways and services are named by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// A server is killed, and started again with its data.
    RedisKilled(usize),
    /// A server is stopped.
    RedisStopped(usize),
    /// A primary is killed, and started again when another server has taken its place.
    PrimaryKilled(usize),
    /// A primary is stopped until another server has taken its place, and then goes on as if nothing had happened.
    PrimaryStopped(usize),
    /// The replicas of a primary, and who is connected to it, hear nothing of it any more; others do. Then it is killed, and
    /// started again when another server has taken its place.
    PrimaryLost(usize),
    /// A primary is replaced as planned.
    HandedOver(usize),
    /// A Sentinel is killed.
    SentinelKilled(usize),
    /// A Sentinel is stopped.
    SentinelStopped(usize),
    /// The slot of this key is moved to another primary.
    SlotMoved(String),
    /// A server holds back writes, as before a planned failover.
    WritesPaused(usize),
    /// A server holds back everything.
    AllPaused(usize),
    /// A server has no memory left.
    Full(usize),
    /// A server that is alone has become a replica.
    Demoted(usize),
    /// A server that is alone misses its replicas.
    NoReplicas(usize),
    /// A server forgets its scripts.
    ScriptsForgotten(usize),
    /// A server ends all connections.
    ClientsKilled(usize),
    /// Some ways are in trouble.
    Way(Trouble, Vec<usize>),
    /// A firewall forgets the connections on some ways.
    Forgotten(Vec<usize>),
    /// The connections on some ways are cut, several times.
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

/// Which faults there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// None.
    None,
    /// Primaries are replaced as planned.
    HandOvers,
    /// All, one at a time for the servers.
    Any,
    /// Also primaries that are lost after their replicas have stopped hearing them: two faults in a row.
    Worse,
}

/// Breaks things until `until`, then mends everything. Blocks.
///
/// # Panics
/// If the servers do not recover.
pub fn rage(fleet: &Fleet, recorder: &Recorder, until: Instant, faults: Faults, mut random: Random) {
    if faults == Faults::None {
        return thread::sleep(until.saturating_duration_since(Instant::now()));
    }
    let note = |phase: Phase, fault: &Fault| {
        let call = Call { service: "-".into(), session: 0, cookie: 0, op: Op::Fault(fault.to_string()) };
        recorder.note(NEMESIS, phase, call);
    };
    let mut primaries = fleet.place.primaries();
    while Instant::now() < until {
        sleep(random.between(200, 1200));
        let mut faults = choice::next(&mut random, fleet, &primaries, faults);
        let lasts = random.between(100, 2500);
        for fault in &faults {
            note(Phase::Invoke, fault);
            begin(fault, fleet, lasts);
        }
        sleep(lasts);
        // A stopped service may hold the lock of the users' database, which one that starts needs.
        faults.sort_by_key(|fault| !matches!(fault, Fault::ServiceStopped(_)));
        for fault in &faults {
            mend(fault, fleet);
            note(Phase::Ok(Value::Done), fault);
        }
        // Replication endures one fault at a time.
        fleet.place.wait_until_whole();
        let were = std::mem::replace(&mut primaries, fleet.place.primaries());
        for promoted in primaries.iter().filter(|primary| !were.contains(primary)) {
            note(Phase::Invoke, &Fault::Promoted(*promoted));
            note(Phase::Ok(Value::Done), &Fault::Promoted(*promoted));
        }
        look_at_keys(fleet, recorder);
    }
}

/// Every key has a lifetime, always.
pub(crate) fn look_at_keys(fleet: &Fleet, recorder: &Recorder) {
    let call = || Call { service: "redis".into(), session: 0, cookie: 0, op: Op::Key };
    recorder.note(NEMESIS, Phase::Invoke, call());
    let lifetime = if fleet.place.immortal_keys() == 0 { 0 } else { -1 };
    recorder.note(NEMESIS, Phase::Ok(Value::Number(lifetime)), call());
}

fn begin(fault: &Fault, fleet: &Fleet, millis: u64) {
    let ways = fleet.place.ways();
    let tell = |server: &usize, command: &[&str]| drop(fleet.place.servers()[*server].cli(command));
    match fault {
        Fault::RedisKilled(server) | Fault::PrimaryKilled(server) => fleet.place.servers()[*server].kill(),
        Fault::RedisStopped(server) | Fault::PrimaryStopped(server) => fleet.place.servers()[*server].pause(),
        Fault::PrimaryLost(server) => ways[*server].forget(),
        Fault::HandedOver(server) => fleet.place.hand_over(*server),
        Fault::SentinelKilled(which) => with_sentinel(fleet, |sentinel| sentinel.kill_sentinel(*which)),
        Fault::SentinelStopped(which) => with_sentinel(fleet, |sentinel| sentinel.pause_sentinel(*which)),
        Fault::SlotMoved(key) => with_cluster(fleet, |cluster| {
            let _ = cluster.begin_moving(key);
        }),
        Fault::WritesPaused(server) => tell(server, &["CLIENT", "PAUSE", &millis.to_string(), "WRITE"]),
        Fault::AllPaused(server) => tell(server, &["CLIENT", "PAUSE", &millis.to_string(), "ALL"]),
        Fault::Full(server) => tell(server, &["CONFIG", "SET", "maxmemory", "1"]),
        Fault::Demoted(server) => tell(server, &["REPLICAOF", "127.0.0.1", "1"]),
        Fault::NoReplicas(server) => tell(server, &["CONFIG", "SET", "min-replicas-to-write", "1"]),
        Fault::ScriptsForgotten(server) => tell(server, &["SCRIPT", "FLUSH"]),
        Fault::ClientsKilled(server) => tell(server, &["CLIENT", "KILL", "TYPE", "normal"]),
        Fault::Way(trouble, which) => which.iter().for_each(|way| ways[*way].set(*trouble)),
        Fault::Forgotten(which) => which.iter().for_each(|way| ways[*way].forget()),
        Fault::Cut(which) => {
            for _ in 0..5 {
                which.iter().for_each(|way| ways[*way].cut());
                sleep(20);
            }
        }
        Fault::ServiceKilled(which) => fleet.services[*which].kill(),
        Fault::ServiceStopped(which) => fleet.services[*which].pause(),
        Fault::Promoted(_) => {}
    }
}

fn mend(fault: &Fault, fleet: &Fleet) {
    let ways = fleet.place.ways();
    let tell = |server: &usize, command: &[&str]| drop(fleet.place.servers()[*server].cli(command));
    match fault {
        Fault::RedisKilled(server) => fleet.place.servers()[*server].restart(),
        Fault::RedisStopped(server) => fleet.place.servers()[*server].resume(),
        Fault::PrimaryKilled(server) | Fault::PrimaryLost(server) => {
            if matches!(fault, Fault::PrimaryLost(_)) {
                sleep(UNHEARD);
                fleet.place.servers()[*server].kill();
            }
            fleet.place.wait_for_another_than(*server);
            fleet.place.servers()[*server].restart();
            fleet.place.follow(*server);
        }
        Fault::PrimaryStopped(server) => {
            fleet.place.wait_for_another_than(*server);
            fleet.place.servers()[*server].resume();
            sleep(TWO_PRIMARIES);
            fleet.place.follow(*server);
        }
        Fault::HandedOver(server) => fleet.place.follow(*server),
        Fault::SentinelKilled(which) => with_sentinel(fleet, |sentinel| sentinel.restart_sentinel(*which)),
        Fault::SentinelStopped(which) => with_sentinel(fleet, |sentinel| sentinel.resume_sentinel(*which)),
        // To begin it again tells where it goes.
        Fault::SlotMoved(key) => with_cluster(fleet, |cluster| cluster.finish_moving(key, cluster.begin_moving(key))),
        Fault::Full(server) => tell(server, &["CONFIG", "SET", "maxmemory", "0"]),
        Fault::Demoted(server) => tell(server, &["REPLICAOF", "NO", "ONE"]),
        Fault::NoReplicas(server) => tell(server, &["CONFIG", "SET", "min-replicas-to-write", "0"]),
        Fault::Way(_, which) => which.iter().for_each(|way| ways[*way].set(Trouble::None)),
        Fault::ServiceKilled(which) => fleet.services[*which].restart(),
        Fault::ServiceStopped(which) => fleet.services[*which].resume(),
        // They end by themselves.
        Fault::WritesPaused(_)
        | Fault::AllPaused(_)
        | Fault::ScriptsForgotten(_)
        | Fault::ClientsKilled(_)
        | Fault::Forgotten(_)
        | Fault::Cut(_)
        | Fault::Promoted(_) => {}
    }
}

fn with_sentinel(fleet: &Fleet, act: impl FnOnce(&test_servers::Sentinel)) {
    if let Place::Sentinel(sentinel) = &fleet.place {
        act(sentinel);
    }
}

fn with_cluster(fleet: &Fleet, act: impl FnOnce(&test_servers::Cluster)) {
    if let Place::Cluster(cluster) = &fleet.place {
        act(cluster);
    }
}

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}
