//! Compares all contenders. In each round every contender serves every cell once, so that disturbances of the machine
//! affect all contenders alike.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    contenders::Contender,
    load::{Cell, Sample, Shape, measure},
    process::Service,
    server::Server,
    stats::Spread,
};

/// The numbers of concurrent connections.
pub const CONNECTIONS: [usize; 2] = [32, 1];

/// The limit for up to eight rounds on three servers, without the start of services and servers.
const BUDGET: Duration = Duration::from_secs(7 * 60);
/// For one sample: the time besides the measurement, and the longest useful measurement.
const AROUND: Duration = Duration::from_millis(70);
const LONGEST: Duration = Duration::from_millis(300);

/// The measurements with one server.
pub struct Comparison {
    pub title: String,
    /// The server's name and version.
    pub server: String,
    pub is_native: bool,
    pub samples: BTreeMap<(Cell, Contender), Vec<Sample>>,
    /// The reasons for missing samples.
    pub failures: BTreeMap<(Cell, Contender), String>,
}

pub fn cells() -> impl Iterator<Item = Cell> {
    CONNECTIONS.into_iter().flat_map(|connections| Shape::ALL.map(|shape| Cell { connections, shape }))
}

/// How long one sample is measured.
pub fn time_of(rounds: usize, servers: usize) -> Duration {
    let samples = rounds * servers * cells().count() * Contender::ALL.len();
    let each = BUDGET / u32::try_from(samples.max(1)).unwrap_or(u32::MAX);
    each.saturating_sub(AROUND).clamp(Duration::from_millis(50), LONGEST)
}

pub fn compare(server: &Server, rounds: usize, time: Duration) -> Comparison {
    let redis = &server.redis;
    let services = Contender::ALL.map(|contender| (contender, Service::start(contender, &redis.url())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut made = Comparison {
        title: server.title(),
        server: server.version.clone(),
        is_native: server.is_native,
        samples: BTreeMap::new(),
        failures: BTreeMap::new(),
    };
    for round in 0..rounds {
        let started = Instant::now();
        for cell in cells() {
            // Each round starts with another contender.
            for at in 0..services.len() {
                let (contender, service) = &services[(at + round) % services.len()];
                let key = (cell, *contender);
                if made.failures.contains_key(&key) {
                    continue;
                }
                match runtime.block_on(measure(service, redis, cell, time)) {
                    Ok(sample) => made.samples.entry(key).or_default().push(sample),
                    Err(why) => {
                        eprintln!("  {} cannot do {}: {why}", contender.name(), cell.shape.name());
                        made.samples.remove(&key);
                        made.failures.insert(key, why);
                    }
                }
            }
        }
        eprintln!("{}: round {} of {rounds}, {:.0?}", made.title, round + 1, started.elapsed());
    }
    made
}

impl Comparison {
    /// The median and the spread of one figure.
    pub fn of(&self, contender: Contender, cell: Cell, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.get(&(cell, contender))?.iter().map(figure))
    }

    /// Throughput as a ratio to the floor of the same framework.
    pub fn ratio(&self, contender: Contender, cell: Cell) -> Option<Spread> {
        self.ratio_to(contender, cell, contender.floor(), cell)
    }

    /// Throughput as a ratio to that of another cell or contender.
    pub fn ratio_to(&self, own: Contender, own_cell: Cell, to: Contender, to_cell: Cell) -> Option<Spread> {
        let rates = |cell, contender| -> Option<Vec<f64>> {
            Some(self.samples.get(&(cell, contender))?.iter().map(|sample| sample.per_second).collect())
        };
        Spread::of_ratios(&rates(own_cell, own)?, &rates(to_cell, to)?)
    }

    /// The cells in which a peer is faster than ours on the same framework, both as ratios to the floor.
    pub fn losses(&self) -> Vec<(Cell, Contender, Spread, Spread)> {
        let peers = || Contender::ALL.into_iter().filter(|contender| contender.is_peer());
        let compared = cells().flat_map(|cell| peers().map(move |peer| (cell, peer)));
        let both = compared
            .filter_map(|(cell, peer)| Some((cell, peer, self.ratio(peer, cell)?, self.ratio(peer.ours(), cell)?)));
        both.filter(|(_, _, theirs, ours)| theirs.median > ours.median).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::load::Kind;

    /// A comparison in which every contender serves this many requests a second, except for the rates in `differs`.
    pub fn made_up(per_second: f64, differs: &[(Contender, Kind, f64)]) -> Comparison {
        let mut made = Comparison {
            title: "Redis: by Lua".to_owned(),
            server: "Redis".to_owned(),
            is_native: false,
            samples: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        for cell in cells() {
            for contender in Contender::ALL {
                let other = differs.iter().find(|(of, kind, _)| *of == contender && *kind == cell.shape.kind);
                let per_second = other.map_or(per_second, |(_, _, other)| *other);
                let sample =
                    Sample { per_second, p50: 1.0, p99: 2.0, cpu: 3.0, redis_cpu: 4.0, idle: 0.1, commands: 2.0 };
                made.samples.insert((cell, contender), vec![sample; 3]);
            }
        }
        made
    }

    #[test]
    fn the_rounds_fit_into_the_budget() {
        for (rounds, servers) in [(1, 3), (5, 2), (5, 3), (8, 3)] {
            let samples = (rounds * servers * 140) as u32;
            assert!((time_of(rounds, servers) + AROUND) * samples <= BUDGET, "{rounds} {servers}");
        }
        assert_eq!(time_of(1, 1), LONGEST);
    }

    #[test]
    fn a_loss_is_where_a_peer_of_the_same_framework_is_faster() {
        let made = made_up(
            100.0,
            &[
                (Contender::OursOnAxum, Kind::Increment, 50.0),
                (Contender::Ruts, Kind::Increment, 40.0),
                (Contender::TowerSessions, Kind::Increment, 60.0),
                (Contender::AxumSession, Kind::Increment, 45.0),
                // Faster than ours on Axum, but on the other framework.
                (Contender::ActixSession, Kind::Increment, 90.0),
            ],
        );
        let losses = made.losses();
        assert!(
            losses
                .iter()
                .all(|(cell, peer, ..)| { *peer == Contender::TowerSessions && cell.shape.kind == Kind::Increment })
        );
        assert_eq!(losses.len(), 4, "two sizes, two numbers of connections");
        assert_eq!((losses[0].2.median, losses[0].3.median), (0.6, 0.5));
    }

    #[test]
    fn a_failed_cell_has_no_ratio() {
        let mut made = made_up(100.0, &[]);
        let cell = cells().next().unwrap();
        made.samples.remove(&(cell, Contender::Ruts));
        assert_eq!(made.ratio(Contender::Ruts, cell), None);
        assert_eq!(made.ratio(Contender::OursOnAxum, cell).unwrap().median, 1.0);
    }
}
