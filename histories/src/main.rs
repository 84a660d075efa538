//! `histories`: random faults under load, and whether the answers can be.
#![allow(clippy::expect_used, reason = "a tool for tests: a failure is a panic")]

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use shared_session_histories::{
    failover, history,
    report::report,
    run::{Plan, run},
    workload::Load,
};
use test_servers::RedisKind;

const USAGE: &str = "\
histories [--seconds N] [--seed N] [--redis old|new|valkey] [--near-cache] [--calm]
           [--file FILE]
    Runs clients and random faults (none with --calm) and checks the history. Default: 600 s on the old Redis.
histories failover [--lag MILLIS] [as above]
    Kills the primary and promotes its replica again and again, and counts what was lost. The replica has heard nothing
    for so long; default: it is in step.
histories check FILE [--near-cache]
    Checks a history again.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (operations, bound) = match parse(&args) {
        Some(Task::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(Task::Check(plan)) => (history::read(&plan.file).map(|events| history::operations(&events)), plan.bound()),
        Some(Task::Run(plan)) => {
            println!("seed {}, history in {}", plan.seed, plan.file.display());
            (run(&plan), plan.bound())
        }
        Some(Task::Failover(plan)) => {
            println!("seed {}, history in {}", plan.seed, plan.file.display());
            return match failover::run(&plan) {
                Ok(operations) => {
                    println!("{}", failover::losses(&plan, &operations));
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    ExitCode::FAILURE
                }
            };
        }
        None => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let operations = match operations {
        Ok(operations) => operations,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (text, violations) = report(&operations, bound);
    println!("{text}");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Task {
    Help,
    Check(Plan),
    Run(Plan),
    Failover(Plan),
}

fn parse(args: &[String]) -> Option<Task> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    let mut plan = Plan {
        lasts: Duration::from_secs(600),
        seed,
        redis: RedisKind::Old,
        load: Load::default(),
        near_cache: false,
        lag: Duration::ZERO,
        is_calm: false,
        file: PathBuf::from("target/histories/history.jsonl"),
    };
    let is_check = args.first().is_some_and(|command| command == "check");
    if is_check {
        plan.file = args.get(1)?.into();
    }
    let is_failover = args.first().is_some_and(|command| command == "failover");
    let mut args = args.iter().skip(if is_check { 2 } else { usize::from(is_failover) });
    while let Some(arg) = args.next() {
        match &**arg {
            "--help" | "-h" => return Some(Task::Help),
            "--seconds" => plan.lasts = Duration::from_secs(args.next()?.parse().ok()?),
            "--seed" => plan.seed = args.next()?.parse().ok()?,
            "--redis" => plan.redis = kind(args.next()?)?,
            "--near-cache" => plan.near_cache = true,
            "--lag" => plan.lag = Duration::from_millis(args.next()?.parse().ok()?),
            "--calm" => plan.is_calm = true,
            "--file" => plan.file = args.next()?.into(),
            _ => return None,
        }
    }
    if is_check {
        return Some(Task::Check(plan));
    }
    Some(if is_failover { Task::Failover(plan) } else { Task::Run(plan) })
}

fn kind(name: &str) -> Option<RedisKind> {
    Some(match name {
        "old" => RedisKind::Old,
        "new" => RedisKind::New,
        "valkey" => RedisKind::Valkey,
        _ => return None,
    })
}
