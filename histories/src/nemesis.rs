//! What breaks things: one fault after the other, sometimes two at once, each mended before the next begins.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use test_servers::Trouble;

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Phase, Recorder, Value},
    random::Random,
};

/// Something that is broken for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// Redis is killed, and started again with its data.
    RedisKilled,
    /// Redis is stopped.
    RedisStopped,
    /// Redis holds back writes, as before a planned failover.
    WritesPaused,
    /// Redis holds back everything.
    AllPaused,
    /// Redis has no memory left.
    Full,
    /// Redis has become a replica.
    Demoted,
    /// Redis misses its replicas.
    NoReplicas,
    /// Redis forgets its scripts.
    ScriptsForgotten,
    /// Redis ends all connections.
    ClientsKilled,
    /// The way of some services to Redis is in trouble.
    Way(Trouble, Vec<usize>),
    /// A firewall forgets the connections of some services.
    Forgotten(Vec<usize>),
    /// The connections of some services are cut, several times.
    Cut(Vec<usize>),
    /// A service is killed.
    ServiceKilled(usize),
    /// A service is stopped.
    ServiceStopped(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Breaks things until `until`, then mends everything. Blocks.
pub fn rage(fleet: &Fleet, recorder: &Recorder, until: Instant, mut random: Random) {
    while Instant::now() < until {
        sleep(random.between(200, 1200));
        let mut faults = vec![any(&mut random, fleet)];
        if random.chance(25) {
            faults.push(on_services(&mut random, fleet));
        }
        let lasts = random.between(100, 2500);
        let note = |phase: Phase, fault: &Fault| {
            let call = Call { service: "-".into(), session: 0, cookie: 0, op: Op::Fault(fault.to_string()) };
            recorder.note(NEMESIS, phase, call);
        };
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
        look_at_keys(fleet, recorder);
    }
}

/// Every key has a lifetime, always.
pub(crate) fn look_at_keys(fleet: &Fleet, recorder: &Recorder) {
    let call = || Call { service: "redis".into(), session: 0, cookie: 0, op: Op::Key };
    recorder.note(NEMESIS, Phase::Invoke, call());
    let lifetime = if fleet.immortal_keys() == 0 { 0 } else { -1 };
    recorder.note(NEMESIS, Phase::Ok(Value::Number(lifetime)), call());
}

fn any(random: &mut Random, fleet: &Fleet) -> Fault {
    match random.between(0, 20) {
        0..3 => Fault::RedisKilled,
        3..5 => Fault::RedisStopped,
        5 => Fault::WritesPaused,
        6 => Fault::AllPaused,
        7 => Fault::Full,
        8 => Fault::Demoted,
        9 => Fault::NoReplicas,
        10 => Fault::ScriptsForgotten,
        11 => Fault::ClientsKilled,
        12..14 => on_services(random, fleet),
        14 => Fault::Forgotten(some(random, fleet)),
        15 => Fault::Cut(some(random, fleet)),
        _ => {
            let delay = Duration::from_millis(random.between(5, 600));
            let troubles = [
                Trouble::Hold,
                Trouble::LoseReplies,
                Trouble::Refuse,
                Trouble::BlackHole,
                Trouble::Slow(delay),
                Trouble::Slice,
                Trouble::LoseRepliesTo("EVALSHA"),
                Trouble::CutRepliesTo("EVALSHA"),
            ];
            Fault::Way(*random.pick(&troubles), some(random, fleet))
        }
    }
}

fn on_services(random: &mut Random, fleet: &Fleet) -> Fault {
    let which = usize::try_from(random.between(0, fleet.services.len() as u64)).unwrap();
    if random.chance(50) { Fault::ServiceKilled(which) } else { Fault::ServiceStopped(which) }
}

/// Some of the services, at least one.
fn some(random: &mut Random, fleet: &Fleet) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..fleet.services.len()).filter(|_| random.chance(50)).collect();
    if chosen.is_empty() {
        chosen.push(0);
    }
    chosen
}

fn begin(fault: &Fault, fleet: &Fleet, millis: u64) {
    let redis = &fleet.redis;
    match fault {
        Fault::RedisKilled => redis.kill(),
        Fault::RedisStopped => redis.pause(),
        Fault::WritesPaused => drop(redis.cli(&["CLIENT", "PAUSE", &millis.to_string(), "WRITE"])),
        Fault::AllPaused => drop(redis.cli(&["CLIENT", "PAUSE", &millis.to_string(), "ALL"])),
        Fault::Full => drop(redis.cli(&["CONFIG", "SET", "maxmemory", "1"])),
        Fault::Demoted => drop(redis.cli(&["REPLICAOF", "127.0.0.1", "1"])),
        Fault::NoReplicas => drop(redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"])),
        Fault::ScriptsForgotten => drop(redis.cli(&["SCRIPT", "FLUSH"])),
        Fault::ClientsKilled => drop(redis.cli(&["CLIENT", "KILL", "TYPE", "normal"])),
        Fault::Way(trouble, which) => which.iter().for_each(|way| fleet.ways[*way].set(*trouble)),
        Fault::Forgotten(which) => which.iter().for_each(|way| fleet.ways[*way].forget()),
        Fault::Cut(which) => {
            for _ in 0..5 {
                which.iter().for_each(|way| fleet.ways[*way].cut());
                sleep(20);
            }
        }
        Fault::ServiceKilled(which) => fleet.services[*which].kill(),
        Fault::ServiceStopped(which) => fleet.services[*which].pause(),
    }
}

fn mend(fault: &Fault, fleet: &Fleet) {
    let redis = &fleet.redis;
    match fault {
        Fault::RedisKilled => redis.restart(),
        Fault::RedisStopped => redis.resume(),
        Fault::Full => drop(redis.cli(&["CONFIG", "SET", "maxmemory", "0"])),
        Fault::Demoted => drop(redis.cli(&["REPLICAOF", "NO", "ONE"])),
        Fault::NoReplicas => drop(redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"])),
        Fault::Way(_, which) => which.iter().for_each(|way| fleet.ways[*way].set(Trouble::None)),
        Fault::ServiceKilled(which) => fleet.services[*which].restart(),
        Fault::ServiceStopped(which) => fleet.services[*which].resume(),
        // They end by themselves.
        Fault::WritesPaused
        | Fault::AllPaused
        | Fault::ScriptsForgotten
        | Fault::ClientsKilled
        | Fault::Forgotten(_)
        | Fault::Cut(_) => {}
    }
}

fn sleep(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}
