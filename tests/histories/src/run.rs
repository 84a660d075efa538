//! One run: clients, nemesis, and the resulting history.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Operation, Phase, Recorder, Value, operations},
    nemesis,
    plan::Plan,
    random::Random,
    workload::Workload,
};

/// How much longer than planned a run waits for answers.
const PATIENCE: Duration = Duration::from_secs(300);

/// Performs the run and returns the history.
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
    let goes_on = || {
        let now = Instant::now();
        now < until || (recorder.answers() < plan.answers && now < until + PATIENCE)
    };
    nemesis::rage(&fleet, &recorder, goes_on, plan.faults, random.fork());
    let handles = runtime.block_on(workload.finish());
    for (session, handle) in handles {
        let call = || Call { service: "redis".into(), session, cookie: 0, op: Op::Key };
        recorder.note(NEMESIS, Phase::Invoke, call());
        recorder.note(NEMESIS, Phase::Ok(Value::Number(fleet.lifetime(&handle))), call());
    }
    nemesis::look_at_keys(&fleet, &recorder);
    Ok(operations(&recorder.events()))
}
