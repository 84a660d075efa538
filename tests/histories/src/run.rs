//! One run: clients and nemesis, and the history that comes of it.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use test_servers::RedisKind;

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Operation, Phase, Recorder, Value, operations},
    nemesis::{self, Faults},
    place::Topology,
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
    /// How many servers, and what they are to each other.
    pub topology: Topology,
    /// How many replicas must have a write before it is acknowledged, and be there for a primary to answer at all.
    pub replicas: u32,
    /// The clients.
    pub load: Load,
    /// Whether the services keep sessions in a near cache.
    pub near_cache: bool,
    /// What breaks.
    pub faults: Faults,
    /// Where the history is written; the services log beside it.
    pub file: PathBuf,
}

/// Ten minutes of any faults on a single Redis.
impl Default for Plan {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(600),
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
    /// Whether a failover may lose what was acknowledged: not if each server that can take over has it.
    #[must_use]
    pub fn may_lose(&self) -> bool {
        self.replicas < self.topology.replicas()
    }

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
    let fleet = Arc::new(Fleet::start(plan, &logs));
    let mut random = Random::new(plan.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let workload = runtime.block_on(async { Workload::start(&fleet, &recorder, plan.load, &mut random) });
    let until = Instant::now() + plan.lasts;
    nemesis::rage(&fleet, &recorder, until, plan.faults, random.fork());
    let handles = runtime.block_on(workload.finish());
    for (session, handle) in handles {
        let call = || Call { service: "redis".into(), session, cookie: 0, op: Op::Key };
        recorder.note(NEMESIS, Phase::Invoke, call());
        recorder.note(NEMESIS, Phase::Ok(Value::Number(fleet.lifetime(&handle))), call());
    }
    nemesis::look_at_keys(&fleet, &recorder);
    Ok(operations(&recorder.events()))
}
