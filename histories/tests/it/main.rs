//! Twenty seconds of random faults.
#![allow(clippy::unwrap_used, reason = "a failed expectation must fail the test")]

use std::{path::PathBuf, time::Duration};

use shared_session_histories::{
    report::report,
    run::{Plan, run},
    workload::Load,
};
use test_servers::RedisKind;

#[test]
fn twenty_seconds_of_faults_leave_no_answer_that_cannot_be() {
    let plan = Plan {
        lasts: Duration::from_secs(20),
        seed: std::process::id().into(),
        redis: RedisKind::Old,
        load: Load::default(),
        near_cache: false,
        lag: Duration::ZERO,
        is_calm: false,
        file: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("history.jsonl"),
    };
    let operations = run(&plan).unwrap();
    let (text, violations) = report(&operations, plan.bound());
    println!("seed {}\n{text}", plan.seed);
    assert_eq!(violations, 0, "the history is in {}", plan.file.display());
    assert!(operations.iter().filter(|operation| operation.answer().is_some()).count() > 100, "nothing was done");
}
