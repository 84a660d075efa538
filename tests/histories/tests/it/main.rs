//! Twenty seconds of random faults, and planned failovers.
#![allow(clippy::unwrap_used, reason = "a failed expectation must fail the test")]

use std::{path::PathBuf, time::Duration};

use shared_session_histories::{
    plan::{Faults, Plan, Topology},
    report::report,
    run::run,
};
/// With fewer answers the test would prove nothing.
const ANSWERS: usize = 100;

#[test]
fn twenty_seconds_of_faults_cause_no_contradiction() {
    assert_nothing_is_lost(Topology::Single, Faults::Any, 20);
}

#[test]
fn planned_failovers_of_sentinels_cause_no_contradiction() {
    assert_nothing_is_lost(Topology::Sentinel, Faults::HandOvers, 6);
}

#[test]
fn planned_failovers_of_a_cluster_cause_no_contradiction() {
    assert_nothing_is_lost(Topology::Cluster, Faults::HandOvers, 6);
}

fn assert_nothing_is_lost(topology: Topology, faults: Faults, seconds: u64) {
    let plan = Plan {
        lasts: Duration::from_secs(seconds),
        answers: ANSWERS,
        seed: std::process::id().into(),
        topology,
        replicas: topology.replicas(),
        faults,
        file: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{topology:?}.jsonl")),
        ..Plan::default()
    };
    let operations = run(&plan).unwrap();
    let (text, violations) = report(&operations, &plan);
    println!("seed {}\n{text}", plan.seed);
    assert_eq!(violations, 0, "the history is in {}", plan.file.display());
    let answers = operations.iter().filter(|operation| operation.answer().is_some()).count();
    assert!(answers >= ANSWERS, "only {answers} requests were answered, see {}", plan.file.display());
    assert!(topology == Topology::Single || text.contains("Promoted"), "no server took over");
}
