//! The choice of the next fault.

use std::time::Duration;

use test_servers::Trouble;

use super::fault::Fault;
use crate::{fleet::Fleet, plan::Faults, random::Random, servers::Servers};

/// The number of Sentinels.
const SENTINELS: u64 = 3;

/// The next faults, which happen at the same time.
pub(super) fn next(random: &mut Random, fleet: &Fleet, primaries: &[usize], from: Faults) -> Vec<Fault> {
    match from {
        Faults::None => vec![],
        Faults::HandOvers => vec![Fault::HandedOver(*random.pick(primaries))],
        Faults::Any | Faults::Worse => {
            let mut faults = vec![match any(random, fleet, primaries) {
                Fault::PrimaryKilled(primary) if from == Faults::Worse && random.chance(50) => {
                    Fault::PrimaryLost(primary)
                }
                fault => fault,
            }];
            if random.chance(25) {
                faults.push(on_services(random, fleet));
            }
            faults
        }
    }
}

/// Any fault that these servers can have.
fn any(random: &mut Random, fleet: &Fleet, primaries: &[usize]) -> Fault {
    if let Servers::Single { .. } = &fleet.servers {
        return match random.between(0, 20) {
            0..3 => Fault::RedisKilled(0),
            3..5 => Fault::RedisStopped(0),
            8 => Fault::Demoted(0),
            9 => Fault::NoReplicas(0),
            12..14 => on_services(random, fleet),
            14.. => {
                let ways = some(random, fleet.servers.ways().len());
                on_ways(random, ways)
            }
            _ => on_server(random, 0),
        };
    }
    let primary = *random.pick(primaries);
    let server = if random.chance(75) { primary } else { index(random, fleet.servers.all().len()) };
    match random.between(0, 20) {
        0..3 => Fault::PrimaryKilled(primary),
        3..6 => Fault::PrimaryStopped(primary),
        6..8 => Fault::HandedOver(primary),
        8 => Fault::RedisKilled(server),
        9 => Fault::RedisStopped(server),
        10..12 => on_topology(random, fleet),
        12..14 => on_services(random, fleet),
        14..17 => on_server(random, server),
        _ => on_ways(random, vec![server]),
    }
}

fn on_services(random: &mut Random, fleet: &Fleet) -> Fault {
    let which = index(random, fleet.services.len());
    if random.chance(50) { Fault::ServiceKilled(which) } else { Fault::ServiceStopped(which) }
}

/// Faults that only Sentinels, or only a cluster, can have.
fn on_topology(random: &mut Random, fleet: &Fleet) -> Fault {
    let sentinel = usize::try_from(random.between(0, SENTINELS)).unwrap();
    match &fleet.servers {
        Servers::Sentinel(_) if random.chance(50) => Fault::SentinelKilled(sentinel),
        Servers::Sentinel(_) => Fault::SentinelStopped(sentinel),
        servers => servers.some_key(random).map_or(Fault::ScriptsForgotten(0), Fault::SlotMoved),
    }
}

/// Faults of a server that end by themselves.
fn on_server(random: &mut Random, server: usize) -> Fault {
    let faults: [fn(usize) -> Fault; 5] =
        [Fault::WritesPaused, Fault::AllPaused, Fault::Full, Fault::ScriptsForgotten, Fault::ClientsKilled];
    random.pick(&faults)(server)
}

fn on_ways(random: &mut Random, ways: Vec<usize>) -> Fault {
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
    match random.between(0, 6) {
        0 => Fault::Forgotten(ways),
        1 => Fault::Cut(ways),
        _ => Fault::Way(*random.pick(&troubles), ways),
    }
}

/// A random selection of `of` indexes, at least one.
fn some(random: &mut Random, of: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..of).filter(|_| random.chance(50)).collect();
    if chosen.is_empty() {
        chosen.push(0);
    }
    chosen
}

fn index(random: &mut Random, of: usize) -> usize {
    usize::try_from(random.between(0, of as u64)).unwrap()
}
