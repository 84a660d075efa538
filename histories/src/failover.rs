//! What is lost when a replica takes over: counted, because it is no violation.
//!
//! Replication is asynchronous: a primary acknowledges before its replica has heard. Here the address of Redis leads to
//! the replica after the primary was killed, as a floating address does. The replica is in step, or has heard nothing for
//! a while.

use std::{
    collections::BTreeSet,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use test_servers::{Proxy, Redis, Trouble};

use crate::{
    check,
    fleet::Fleet,
    history::{Call, NEMESIS, Op, Operation, Phase, Recorder, Value, operations},
    random::Random,
    run::Plan,
    workload::Workload,
};

/// How a failover is called in histories.
const NAME: &str = "Failover";

/// Fails over again and again and returns what was done.
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
    while Instant::now() < until {
        let replication = Proxy::to(primary.port());
        replica.cli(&["REPLICAOF", "127.0.0.1", &replication.port().to_string()]);
        primary.wait_for_replicas(1);
        thread::sleep(Duration::from_millis(random.between(2000, 4000)));
        fail_over(&fleet, &recorder, (primary, replica), &replication, plan.lag);
        thread::sleep(Duration::from_millis(500));
        primary.restart();
        (primary, replica) = (replica, primary);
    }
    let _ = runtime.block_on(workload.finish());
    Ok(operations(&recorder.events()))
}

fn fail_over(fleet: &Fleet, recorder: &Recorder, (old, new): (&Redis, &Redis), replication: &Proxy, lag: Duration) {
    let call = || Call { service: "-".into(), session: 0, cookie: 0, op: Op::Fault(NAME.into()) };
    recorder.note(NEMESIS, Phase::Invoke, call());
    if !lag.is_zero() {
        replication.set(Trouble::Hold);
        thread::sleep(lag);
        // What was held must not arrive after all.
        replication.forget();
    }
    old.kill();
    new.cli(&["REPLICAOF", "NO", "ONE"]);
    fleet.ways.iter().for_each(|way| way.lead_to(new.port()));
    recorder.note(NEMESIS, Phase::Ok(Value::Done), call());
}

/// The losses of a history with failovers, in figures.
#[must_use]
pub fn losses(plan: &Plan, operations: &[Operation]) -> String {
    let failovers = operations.iter().filter(|operation| operation.call.op == Op::Fault(NAME.into())).count();
    let acknowledged = operations.iter().filter(|o| matches!(o.call.op, Op::Add(_)) && o.answer().is_some()).count();
    let begun = operations.iter().filter(|o| o.call.op == Op::Begin && o.answer().is_some()).count();
    let found = check::all(&check::relaxed(operations, plan.bound()));
    let sessions = |name: &str| {
        let violations = found.get(name).map(Vec::as_slice).unwrap_or_default();
        violations.iter().map(|violation| violation.session).collect::<BTreeSet<_>>().len()
    };
    format!(
        "{failovers} failovers to a replica that had heard nothing for {} ms\n\
         entries acknowledged {acknowledged}, lost {} (in sessions that were looked at once more)\n\
         sessions {begun}: lost as a whole {}, with a counter that went back {}, with an end that was undone {}, \
         with a rotation that was undone {}",
        plan.lag.as_millis(),
        check::lost_entries(operations),
        sessions("mistaken sign-out"),
        sessions("monotonic counter"),
        sessions("resurrection"),
        sessions("stale after rotation"),
    )
}
