//! The load: visitors that send requests repeatedly, each on its own connection, and the results.

use std::time::{Duration, Instant};

use test_servers::Redis;
use tokio::task::JoinSet;

use crate::{
    process::{Processors, Service, cpu_of},
    server::commands_of,
    stats::percentile,
    visitor::Visitor,
};

const WARM_UP: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Untouched,
    Read,
    Increment,
    Rotation,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Increment => "increment",
            Self::Rotation => "rotation",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Untouched => "/untouched",
            Self::Read => "/read",
            Self::Increment => "/increment",
            Self::Rotation => "/rotation",
        }
    }
}

/// A kind of request and the size of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    pub size: usize,
    pub kind: Kind,
}

const SMALL: usize = 200;
const LARGE: usize = 20_000;

impl Shape {
    pub const ALL: [Self; 7] = [
        Self { size: SMALL, kind: Kind::Untouched },
        Self { size: SMALL, kind: Kind::Read },
        Self { size: SMALL, kind: Kind::Increment },
        Self { size: SMALL, kind: Kind::Rotation },
        Self { size: LARGE, kind: Kind::Read },
        Self { size: LARGE, kind: Kind::Increment },
        Self { size: LARGE, kind: Kind::Rotation },
    ];

    pub fn name(self) -> String {
        let name = self.kind.name();
        if self.size == SMALL { name.to_owned() } else { format!("{name} {} KB", self.size / 1000) }
    }
}

/// A shape with a number of concurrent connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub connections: usize,
    pub shape: Shape,
}

/// The measurement of one cell for one contender in one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub per_second: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Microseconds of processor time of the service for each request.
    pub cpu: f64,
    /// Microseconds of processor time of Redis for each request.
    pub redis_cpu: f64,
    /// The idle share of the machine's processors.
    pub idle: f64,
    /// Redis commands for each request.
    pub commands: f64,
}

/// The answer to a visitor's request.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub asked: Instant,
    pub took: Duration,
    /// `None` if the connection broke.
    pub status: Option<u16>,
}

impl Answer {
    pub fn is_good(&self) -> bool {
        self.status == Some(200)
    }
}

/// Visitors with sessions of this size.
///
/// # Errors
/// If the service does not begin sessions.
pub async fn visitors(port: u16, count: usize, size: usize) -> Result<Vec<Visitor>, String> {
    let mut visitors = Vec::new();
    for _ in 0..count {
        let mut visitor = Visitor::connect(port).await.map_err(|error| error.to_string())?;
        asked(&mut visitor, &format!("/start/{size}")).await?;
        visitors.push(visitor);
    }
    Ok(visitors)
}

/// # Errors
/// If the status is not 200.
pub async fn asked(visitor: &mut Visitor, path: &str) -> Result<(), String> {
    match visitor.ask(path).await {
        Ok(200) => Ok(()),
        Ok(status) => Err(format!("{path} answered {status}")),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// Every visitor sends requests repeatedly for this time. A visitor whose connection breaks opens another.
pub async fn ask_for(
    port: u16,
    visitors: Vec<Visitor>,
    path: &'static str,
    time: Duration,
) -> (Vec<Visitor>, Vec<Answer>) {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut visitor in visitors {
        tasks.spawn(async move {
            let mut answers = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                let status = visitor.ask(path).await.ok();
                answers.push(Answer { asked, took: asked.elapsed(), status });
                if status.is_none() {
                    visitor.connect_again(port).await;
                }
            }
            (visitor, answers)
        });
    }
    let (visitors, answers): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    (visitors, answers.concat())
}

/// Sends requests for this time, and measures.
///
/// # Errors
/// If the status of an answer is not 200.
pub async fn measure(service: &Service, redis: &Redis, cell: Cell, time: Duration) -> Result<Sample, String> {
    let (port, path) = (service.port, cell.shape.kind.path());
    let mut visitors = visitors(port, cell.connections, cell.shape.size).await?;
    for visitor in &mut visitors {
        asked(visitor, path).await?;
    }
    let (visitors, _) = ask_for(port, visitors, path, WARM_UP).await;
    let redis_process = redis.id().ok_or("Redis has ended")?;
    let counters = || [cpu_of(service.id()), cpu_of(redis_process), commands_of(redis)];
    let (before, processors, started) = (counters(), Processors::now(), Instant::now());
    let (_, answers) = ask_for(port, visitors, path, time).await;
    let (elapsed, idle, after) = (started.elapsed(), processors.idle_since(), counters());
    if let Some(bad) = answers.iter().find(|answer| !answer.is_good()) {
        return Err(format!("{path} answered {:?}", bad.status));
    }
    let count = answers.len() as f64;
    let times = sorted_micros(answers.iter());
    let [cpu, redis_cpu, commands] = [0, 1, 2].map(|at| (after[at] - before[at]) / count);
    Ok(Sample {
        per_second: count / elapsed.as_secs_f64(),
        p50: percentile(&times, 0.5).unwrap_or_default(),
        p99: percentile(&times, 0.99).unwrap_or_default(),
        cpu,
        redis_cpu,
        idle,
        commands,
    })
}

/// The times of the answers in microseconds, in order.
pub fn sorted_micros<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<f64> {
    let mut times: Vec<f64> = answers.map(|answer| answer.took.as_secs_f64() * 1e6).collect();
    times.sort_by(f64::total_cmp);
    times
}
