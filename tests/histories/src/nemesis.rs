//! The nemesis: one fault after the other, sometimes together with a fault of a service, each repaired before the next
//! begins.

mod choice;
mod fault;

use std::{thread, time::Duration};

use test_servers::Trouble;

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Phase, Recorder, Value},
    plan::Faults,
    random::Random,
    servers::Servers,
};
use fault::Fault;

/// How long a primary that was replaced while stopped still acts as a primary, in milliseconds. Sentinels would allow
/// ten seconds.
const TWO_PRIMARIES: u64 = 2000;

/// How long a primary still runs before it is lost, in milliseconds: services reconnect to it within one second,
/// replicas within six.
const UNHEARD: u64 = 1500;

/// The interval in milliseconds at which a run without faults checks whether it is over.
const POLL: u64 = 50;

/// Causes faults for as long as the run goes on, then repairs everything. Blocks.
///
/// # Panics
/// If the servers do not recover.
pub fn rage(fleet: &Fleet, recorder: &Recorder, goes_on: impl Fn() -> bool, faults: Faults, mut random: Random) {
    if faults == Faults::None {
        while goes_on() {
            sleep(POLL);
        }
        return;
    }
    let note = |phase: Phase, fault: &Fault| {
        let call = Call { service: "-".into(), session: 0, cookie: 0, op: Op::Fault(fault.to_string()) };
        recorder.note(NEMESIS, phase, call);
    };
    let mut primaries = fleet.servers.primaries();
    while goes_on() {
        sleep(random.between(200, 1200));
        let mut faults = choice::next(&mut random, fleet, &primaries, faults);
        let lasts = random.between(100, 2500);
        for fault in &faults {
            note(Phase::Invoke, fault);
            begin(fault, fleet, lasts);
        }
        sleep(lasts);
        // A stopped service may hold the lock of the users' database, which a starting service needs.
        faults.sort_by_key(|fault| !matches!(fault, Fault::ServiceStopped(_)));
        for fault in &faults {
            mend(fault, fleet);
            note(Phase::Ok(Value::Done), fault);
        }
        // Replication survives only one fault at a time.
        fleet.servers.wait_until_whole();
        let were = std::mem::replace(&mut primaries, fleet.servers.primaries());
        for promoted in primaries.iter().filter(|primary| !were.contains(primary)) {
            note(Phase::Invoke, &Fault::Promoted(*promoted));
            note(Phase::Ok(Value::Done), &Fault::Promoted(*promoted));
        }
        look_at_keys(fleet, recorder);
    }
}

/// Checks that every key has a lifetime.
pub(crate) fn look_at_keys(fleet: &Fleet, recorder: &Recorder) {
    let call = || Call { service: "redis".into(), session: 0, cookie: 0, op: Op::Key };
    recorder.note(NEMESIS, Phase::Invoke, call());
    let lifetime = if fleet.servers.immortal_keys() == 0 { 0 } else { -1 };
    recorder.note(NEMESIS, Phase::Ok(Value::Number(lifetime)), call());
}

fn begin(fault: &Fault, fleet: &Fleet, millis: u64) {
    let ways = fleet.servers.ways();
    let tell = |server: &usize, command: &[&str]| drop(fleet.servers.all()[*server].cli(command));
    match fault {
        Fault::RedisKilled(server) | Fault::PrimaryKilled(server) => fleet.servers.all()[*server].kill(),
        Fault::RedisStopped(server) | Fault::PrimaryStopped(server) => fleet.servers.all()[*server].pause(),
        Fault::PrimaryLost(server) => ways[*server].forget(),
        Fault::HandedOver(server) => fleet.servers.hand_over(*server),
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
    let ways = fleet.servers.ways();
    let tell = |server: &usize, command: &[&str]| drop(fleet.servers.all()[*server].cli(command));
    match fault {
        Fault::RedisKilled(server) => fleet.servers.all()[*server].restart(),
        Fault::RedisStopped(server) => fleet.servers.all()[*server].resume(),
        Fault::PrimaryKilled(server) | Fault::PrimaryLost(server) => {
            if matches!(fault, Fault::PrimaryLost(_)) {
                sleep(UNHEARD);
                fleet.servers.all()[*server].kill();
            }
            fleet.servers.wait_for_another_than(*server);
            fleet.servers.all()[*server].restart();
            fleet.servers.follow(*server);
        }
        Fault::PrimaryStopped(server) => {
            fleet.servers.wait_for_another_than(*server);
            fleet.servers.all()[*server].resume();
            sleep(TWO_PRIMARIES);
            fleet.servers.follow(*server);
        }
        Fault::HandedOver(server) => fleet.servers.follow(*server),
        Fault::SentinelKilled(which) => with_sentinel(fleet, |sentinel| sentinel.restart_sentinel(*which)),
        Fault::SentinelStopped(which) => with_sentinel(fleet, |sentinel| sentinel.resume_sentinel(*which)),
        // Starting the move again returns the target.
        Fault::SlotMoved(key) => with_cluster(fleet, |cluster| cluster.finish_moving(key, cluster.begin_moving(key))),
        Fault::Full(server) => tell(server, &["CONFIG", "SET", "maxmemory", "0"]),
        Fault::Demoted(server) => tell(server, &["REPLICAOF", "NO", "ONE"]),
        Fault::NoReplicas(server) => tell(server, &["CONFIG", "SET", "min-replicas-to-write", "0"]),
        Fault::Way(_, which) => which.iter().for_each(|way| ways[*way].set(Trouble::None)),
        Fault::ServiceKilled(which) => fleet.services[*which].restart(),
        Fault::ServiceStopped(which) => fleet.services[*which].resume(),
        // These faults end by themselves.
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
    if let Servers::Sentinel(sentinel) = &fleet.servers {
        act(sentinel);
    }
}

fn with_cluster(fleet: &Fleet, act: impl FnOnce(&test_servers::Cluster)) {
    if let Servers::Cluster(cluster) = &fleet.servers {
        act(cluster);
    }
}

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}
