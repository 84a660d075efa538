//! Checks several session layers from outside for the requirements of docs/security.md, and writes the results to
//! docs/compare.md. With `check` it compares the results instead. With the key of a check it runs only that one, and
//! prints the results.

mod checks;
mod http;
mod notes;
mod page;
mod process;
mod services;
mod stage;

use std::{env, process::ExitCode};

use checks::{Check, Seen};
use page::{Row, Verdict};
use services::{Layer, Setup};
use stage::Stage;
use test_servers::{Redis, RedisKind};

/// All rounds must have the same results.
const ROUNDS: usize = 2;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [serve, layer, url, setup @ ..] if serve == "serve" => {
            let layer = Layer::ALL.into_iter().find(|known| known.name() == layer).expect("a layer");
            services::serve(layer, url, Setup::from_args(setup).expect("a setup"));
            ExitCode::SUCCESS
        }
        [] => finish(false),
        [check] if check == "check" => finish(true),
        [key] => {
            let checks: Vec<_> = checks::all().into_iter().filter(|check| check.key == key).collect();
            assert!(!checks.is_empty(), "there is no check {key}");
            ask(&Redis::start(RedisKind::New), &checks);
            ExitCode::SUCCESS
        }
        _ => panic!("usage: shared-session-peers [check | KEY]"),
    }
}

/// Runs all checks, and writes the page or compares with it.
fn finish(check: bool) -> ExitCode {
    let redis = Redis::start(RedisKind::New);
    let checks = checks::all();
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| ask(&redis, &checks)).collect();
    let last = rounds.pop().expect("a round");
    if rounds.iter().any(|round| *round != last) {
        eprintln!("the rounds differ: the page stays as it is");
        return ExitCode::FAILURE;
    }
    let Some(cells) = last.into_iter().collect::<Option<Vec<_>>>() else {
        eprintln!("a cell does not fit its note: the page stays as it is");
        return ExitCode::FAILURE;
    };
    let rows: Vec<_> = checks.into_iter().zip(cells).map(|(check, cells)| Row { check, cells }).collect();
    let version = redis.version();
    let section = page::section(&rows, &format!("Redis {}.{}", version.0, version.1));
    if !check {
        page::write(&section);
    } else if !page::is_true(&section) {
        eprintln!("docs/compare.md says something else; `make peers` writes it again");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The cells of each check in the order of the layers; `None` for a row with a cell that contradicts its note.
fn ask(redis: &Redis, checks: &[Check]) -> Vec<Option<Vec<Verdict>>> {
    let columns: Vec<_> = Layer::ALL.into_iter().map(|layer| ask_one(redis, checks, layer)).collect();
    (0..checks.len()).map(|check| columns.iter().map(|column| column[check]).collect()).collect()
}

fn ask_one(redis: &Redis, checks: &[Check], layer: Layer) -> Vec<Option<Verdict>> {
    let stage = |hardened| Stage::new(layer, redis, Setup { hardened, ..Setup::default() });
    let (default, hardened) = (stage(false), stage(true));
    let verdict = |check: &Check| {
        let print = |setup: &str, seen: &Seen| {
            let holds = if seen.holds { "holds" } else { "does not hold" };
            println!("{} {}: {}, {setup}: {holds}: {}", check.id, check.key, layer.name(), seen.what);
        };
        let of_default = (!check.with_prefix).then(|| check.run(&default)).inspect(|seen| print("default", seen));
        let of_default = of_default.map(|seen| seen.holds);
        let of_hardened = (of_default != Some(true)).then(|| check.run(&hardened));
        let of_hardened = of_hardened.inspect(|seen| print("hardened", seen)).map(|seen| seen.holds);
        // Both of our frameworks share a column.
        let noted = if layer.is_ours() { Layer::OursOnAxum } else { layer };
        let note = notes::of(check.key, noted).map(|note| note.kind);
        Verdict::new(of_default, of_hardened, note)
            .inspect_err(|error| eprintln!("{} {}: {}: {error}", check.id, check.key, layer.name()))
            .ok()
    };
    checks.iter().map(verdict).collect()
}
