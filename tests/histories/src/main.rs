//! `histories`: random faults under load, and a check of the answers.
#![allow(clippy::expect_used, reason = "a tool for tests: a failure is a panic")]

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use shared_session_histories::{
    history,
    plan::{Faults, Plan, Topology},
    report::report,
    run::run,
};
use test_servers::RedisKind;

const USAGE: &str = "\
histories [--topology single|sentinel|cluster] [--replicas N] [--seconds N] [--seed N] [--redis old|new|valkey]
           [--near-cache] [--calm|--worse] [--file FILE]
    Runs clients and random faults (none with --calm) and checks the history. Default: 600 s on a single old Redis.
    With Sentinels or in a cluster every write waits for so many replicas, and without them a primary is not read from.
    Default: all that a primary has, two or one, so that failovers lose nothing. With fewer, what they lose is counted and
    no violation. With --worse replicas stop hearing some primaries before these are killed.
histories check FILE [--topology single|sentinel|cluster] [--replicas N] [--near-cache]
    Checks a history again.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (operations, plan) = match parse(&args) {
        Some(Task::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(Task::Check(plan)) => (history::read(&plan.file).map(|events| history::operations(&events)), plan),
        Some(Task::Run(plan)) => {
            println!("seed {}, history in {}", plan.seed, plan.file.display());
            (run(&plan), plan)
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
    let (text, violations) = report(&operations, &plan);
    println!("{text}");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Task {
    Help,
    Check(Plan),
    Run(Plan),
}

fn parse(args: &[String]) -> Option<Task> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    let mut plan = Plan { seed, ..Plan::default() };
    let is_check = args.first().is_some_and(|command| command == "check");
    if is_check {
        plan.file = args.get(1)?.into();
    }
    let mut args = args.iter().skip(if is_check { 2 } else { 0 });
    let mut replicas = None;
    while let Some(arg) = args.next() {
        match &**arg {
            "--help" | "-h" => return Some(Task::Help),
            "--seconds" => plan.lasts = Duration::from_secs(args.next()?.parse().ok()?),
            "--seed" => plan.seed = args.next()?.parse().ok()?,
            "--redis" => plan.redis = kind(args.next()?)?,
            "--topology" => plan.topology = topology(args.next()?)?,
            "--replicas" => replicas = Some(args.next()?.parse().ok()?),
            "--near-cache" => plan.near_cache = true,
            "--worse" => plan.faults = Faults::Worse,
            "--calm" => plan.faults = Faults::None,
            "--file" => plan.file = args.next()?.into(),
            _ => return None,
        }
    }
    plan.replicas = replicas.unwrap_or(plan.topology.replicas());
    Some(if is_check { Task::Check(plan) } else { Task::Run(plan) })
}

fn topology(name: &str) -> Option<Topology> {
    Some(match name {
        "single" => Topology::Single,
        "sentinel" => Topology::Sentinel,
        "cluster" => Topology::Cluster,
        _ => return None,
    })
}

fn kind(name: &str) -> Option<RedisKind> {
    Some(match name {
        "old" => RedisKind::Old,
        "new" => RedisKind::New,
        "valkey" => RedisKind::Valkey,
        _ => return None,
    })
}
