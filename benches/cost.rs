//! The cost of a request in instructions and allocations: figures that do not depend on the load of the machine.
//!
//! Every cell of the table is a separate process, which serves requests one after the other on one thread, without a
//! network except for Redis. Callgrind counts its instructions in user space, twice, for different numbers of requests:
//! the difference is the cost of the requests alone. A counting allocator counts the allocations. Redis is another
//! process and not counted.
//!
//! `floor` is the same Axum service with handwritten calls to Redis; `cost/by_hand.rs` lists the parts that it omits.
//! Callgrind's processor lacks the SHA-256 instructions of real ones.
//!
//! With `--check` it fails if a cell is more than 3 % over `cost/budget.txt`; `--accept` writes that file; `--keep
//! DIRECTORY` keeps the profiles, for `callgrind_annotate`. Any other argument is a filter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot go on must stop")]

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use test_servers::{Redis, RedisKind};

#[path = "cost/budget.rs"]
mod budget;
#[path = "cost/by_hand.rs"]
mod by_hand;
#[path = "cost/cell.rs"]
mod cell;
#[path = "cost/ours.rs"]
mod ours;
#[path = "cost/serve.rs"]
mod serve;

use budget::{Budget, Cost};
use cell::{Cell, Store, What, Who};

/// The numbers of requests in the two counted runs.
const RUNS: [u64; 2] = [100, 500];

/// The environment variable with the cell of a child process.
const CHILD: &str = "SHARED_SESSION_COST_CELL";

struct Arguments {
    check: bool,
    accept: bool,
    keep: Option<PathBuf>,
    filter: Vec<String>,
}

fn main() -> ExitCode {
    if let Ok(cell) = env::var(CHILD) {
        serve::child(&cell);
        return ExitCode::SUCCESS;
    }
    let arguments = arguments();
    let counts_instructions = Command::new("valgrind").arg("--version").output().is_ok();
    if !counts_instructions {
        println!("valgrind is not installed: allocations only");
        if arguments.check {
            return ExitCode::FAILURE;
        }
    }
    // Native compare-and-set, and Lua.
    let (native, lua) = (Redis::start(RedisKind::Valkey), Redis::start(RedisKind::Old));
    let url = |store| match store {
        Store::Memory => String::new(),
        Store::Redis => native.url(),
        Store::Lua => lua.url(),
    };
    let mut budget = Budget::read();
    let mut is_over = false;
    println!(
        "{:<24}{:>14}{:>14}{:>10}{:>14}{:>8}{:>10}",
        "", "instructions", "above floor", "budget", "allocations", "above", "bytes"
    );
    for (store, what) in Cell::ALL.iter().filter(|(store, what)| arguments.wants(*store, *what)) {
        let cost =
            |who| measure(&Cell { who, store: *store, what: *what }, &url(*store), counts_instructions, &arguments);
        let (floor, ours) = (cost(Who::Floor), cost(Who::Ours));
        let name = format!("{store:?} {what:?}");
        let allowed = budget.of(&name);
        println!(
            "{name:<24}{:>14}{:>14}{:>10}{:>14.1}{:>8.1}{:>10.0}",
            ours.instructions,
            ours.instructions.cast_signed() - floor.instructions.cast_signed(),
            allowed.map_or_else(|| "-".to_owned(), |cost| cost.instructions.to_string()),
            ours.allocations,
            ours.allocations - floor.allocations,
            ours.bytes,
        );
        if let Some(allowed) = allowed.filter(|allowed| ours.is_over(allowed)) {
            println!(
                "  over the budget of {} instructions and {:.1} allocations",
                allowed.instructions, allowed.allocations
            );
            is_over = true;
        }
        budget.set(name, ours);
    }
    if arguments.accept {
        budget.write();
    }
    if is_over && arguments.check { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn arguments() -> Arguments {
    let mut arguments = Arguments { check: false, accept: false, keep: None, filter: Vec::new() };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--check" => arguments.check = true,
            "--accept" => arguments.accept = true,
            "--keep" => arguments.keep = words.next().map(PathBuf::from),
            _ => arguments.filter.push(word.to_lowercase()),
        }
    }
    arguments
}

impl Arguments {
    fn wants(&self, store: Store, what: What) -> bool {
        let name = format!("{store:?} {what:?}").to_lowercase();
        self.filter.iter().all(|word| name.contains(word))
    }
}

fn measure(cell: &Cell, url: &str, counts_instructions: bool, arguments: &Arguments) -> Cost {
    let run = |requests: u64, under: Option<&str>| {
        let own = env::current_exe().unwrap();
        let mut command = match under {
            None => Command::new(own),
            Some(out) => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", out]).arg(own);
                command
            }
        };
        let output = command.env(CHILD, cell.to_text(requests, url)).output().unwrap();
        assert!(output.status.success(), "{cell:?}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (counted, _) = run(1000, None);
    let mut cost = Cost::from_text(&counted).unwrap();
    if counts_instructions {
        let out = arguments.keep.as_ref().map_or_else(
            || "--callgrind-out-file=/dev/null".to_owned(),
            |keep| format!("--callgrind-out-file={}/{}", keep.display(), cell.to_text(0, "").trim().replace(' ', "-")),
        );
        // A near cache handles as many messages and proofs as there is time for: the minimum of some runs has the
        // fewest.
        let runs = if cell.what == What::Near { 3 } else { 1 };
        let least = |requests| (0..runs).map(|_| collected(&run(requests, Some(&out)).1)).min();
        let [few, many] = RUNS.map(|requests| least(requests).unwrap_or_default());
        cost.instructions = many.saturating_sub(few) / (RUNS[1] - RUNS[0]);
    }
    cost
}

/// The number in `==1== Collected : 123`.
fn collected(report: &str) -> u64 {
    let line = report.lines().find_map(|line| line.split_once("Collected : "));
    line.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or_else(|| panic!("no count in {report}"))
}
