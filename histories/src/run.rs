//! One run: clients and nemesis, and the history that comes of it.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use test_servers::RedisKind;

use crate::{
    fleet::{DURABLE, Fleet},
    history::{Call, NEMESIS, Op, Operation, Phase, Recorder, Value, operations},
    nemesis,
    random::Random,
    workload::{Load, Workload},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For how long things break.
    pub lasts: Duration,
    /// What decides which.
    pub seed: u64,
    /// Which server.
    pub redis: RedisKind,
    /// The clients.
    pub load: Load,
    /// Whether the services keep sessions in a near cache.
    pub near_cache: bool,
    /// How long a replica has heard nothing when it takes over.
    pub lag: Duration,
    /// Whether anything breaks.
    pub is_calm: bool,
    /// Where the history is written; the services log beside it.
    pub file: PathBuf,
}

impl Plan {
    /// How old a look may be: nothing is cached unless it is asked for, and then for a second at most.
    #[must_use]
    pub fn bound(&self) -> Duration {
        if self.near_cache { Duration::from_secs(1) } else { Duration::ZERO }
    }
}

/// Runs it and returns what was done.
///
/// # Errors
/// If the history cannot be written.
///
/// # Panics
/// If a server or a service does not start.
pub fn run(plan: &Plan) -> io::Result<Vec<Operation>> {
    let recorder = Arc::new(Recorder::create(&plan.file)?);
    let logs = plan.file.with_extension("logs");
    let fleet = Arc::new(Fleet::start(&DURABLE, plan, &logs));
    let mut random = Random::new(plan.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let workload = runtime.block_on(async { Workload::start(&fleet, &recorder, plan.load, &mut random) });
    let until = Instant::now() + plan.lasts;
    if plan.is_calm {
        std::thread::sleep(plan.lasts);
    } else {
        nemesis::rage(&fleet, &recorder, until, random.fork());
    }
    let handles = runtime.block_on(workload.finish());
    for (session, handle) in handles {
        let call = || Call { service: "redis".into(), session, cookie: 0, op: Op::Key };
        recorder.note(NEMESIS, Phase::Invoke, call());
        recorder.note(NEMESIS, Phase::Ok(Value::Number(fleet.lifetime(&handle))), call());
    }
    nemesis::look_at_keys(&fleet, &recorder);
    Ok(operations(&recorder.events()))
}
