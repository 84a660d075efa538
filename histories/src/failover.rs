//! What is lost when a replica takes over: counted, because it is no violation.
//!
//! Replication is asynchronous: a primary acknowledges before its replica has heard. Here the address of Redis leads to
//! the replica after the primary was killed, as a floating address does, once with a replica that was in step and once
//! with one that had heard nothing for a while.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use test_servers::{Proxy, Redis, Trouble};

use crate::{
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Operation, Phase, Recorder, Value, operations},
    random::Random,
    run::Plan,
    workload::Workload,
};

/// How long replication is held up before the primary dies, in milliseconds.
const LAGS: [u64; 2] = [0, 500];

/// Fails over again and again, each time with the next lag, and returns what was done.
///
/// # Errors
/// If the history cannot be written.
///
/// # Panics
/// If a server or a service does not start.
pub fn run(plan: &Plan) -> io::Result<Vec<Operation>> {
    let recorder = Arc::new(Recorder::create(&plan.file)?);
    let logs = plan.file.with_extension("logs");
    // It loses everything when it is killed, as a machine that burns down does.
    let args = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
    let fleet = Arc::new(Fleet::start(&args, plan, &logs));
    let other = Redis::with_args(plan.redis, &args);
    let mut random = Random::new(plan.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let workload = runtime.block_on(async { Workload::start(&fleet, &recorder, plan.load, &mut random) });

    let until = Instant::now() + plan.lasts;
    let (mut primary, mut replica) = (&fleet.redis, &other);
    for lag in LAGS.into_iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        let replication = Proxy::to(primary.port());
        replica.cli(&["REPLICAOF", "127.0.0.1", &replication.port().to_string()]);
        wait_until_in_step(primary);
        thread::sleep(Duration::from_millis(random.between(2000, 4000)));
        fail_over(&fleet, &recorder, (primary, replica), &replication, lag);
        thread::sleep(Duration::from_millis(500));
        primary.restart();
        (primary, replica) = (replica, primary);
    }
    let _ = runtime.block_on(workload.finish());
    Ok(operations(&recorder.events()))
}

fn fail_over(fleet: &Fleet, recorder: &Recorder, (old, new): (&Redis, &Redis), replication: &Proxy, lag: u64) {
    let name = if lag == 0 { "FailoverInStep" } else { "FailoverBehind" };
    let call = || Call { service: "-".into(), session: 0, cookie: 0, op: Op::Fault(name.into()) };
    recorder.note(NEMESIS, Phase::Invoke, call());
    if lag > 0 {
        replication.set(Trouble::Hold);
        thread::sleep(Duration::from_millis(lag));
        // What was held must not arrive after all.
        replication.forget();
    }
    old.kill();
    new.cli(&["REPLICAOF", "NO", "ONE"]);
    fleet.ways.iter().for_each(|way| way.lead_to(new.port()));
    recorder.note(NEMESIS, Phase::Ok(Value::Done), call());
}

fn wait_until_in_step(primary: &Redis) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while primary.cli(&["WAIT", "1", "100"]) != "1" {
        assert!(Instant::now() < deadline, "the replica does not get in step");
    }
}

/// The losses of a history with failovers, in figures.
#[must_use]
pub fn losses(operations: &[Operation]) -> String {
    let count = |name: &str| operations.iter().filter(|o| o.call.op == Op::Fault(name.into())).count();
    let acknowledged = operations.iter().filter(|o| matches!(o.call.op, Op::Add(_)) && o.answer().is_some()).count();
    let found = crate::check::all(operations);
    let sessions = |name: &str| {
        let violations = found.get(name).map(Vec::as_slice).unwrap_or_default();
        violations.iter().map(|violation| violation.session).collect::<std::collections::BTreeSet<_>>().len()
    };
    format!(
        "{} failovers in step, {} to a replica that was {} ms behind\n\
         entries acknowledged {acknowledged}, lost {} (in sessions that were looked at once more)\n\
         sessions with a counter that went back {}, with an end that was undone {}, with a rotation that was undone {}, \
         lost as a whole {}",
        count("FailoverInStep"),
        count("FailoverBehind"),
        LAGS[1],
        crate::check::lost_entries(operations),
        sessions("monotonic counter"),
        sessions("resurrection"),
        sessions("stale after rotation"),
        sessions("mistaken sign-out"),
    )
}
