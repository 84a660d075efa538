//! The same small service on several session layers, under the same load: `make compare`.
//!
//! Every contender is a separate process. In each round every contender serves every kind of request once, so that
//! disturbances of the machine affect all contenders alike; the page shows medians of the rounds.
//!
//! Without an argument this measures everything and writes `docs/benchmarks.md`. An argument selects a part, which is
//! printed: `tail`, `growth`, or `capacity`, which measures nothing. `ROUNDS` is the number of rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a comparison that cannot go on must stop")]

mod capacity;
mod comparison;
mod contenders;
mod goals;
mod growth;
mod load;
mod page;
mod plot;
mod process;
mod server;
mod simulation;
mod stats;
mod tail;
mod visitor;

use std::{env, process::ExitCode};

use contenders::Contender;
use page::Method;
use server::Server;

const USAGE: &str = "usage: ROUNDS=5 compare [tail | growth | capacity [NAME=NUMBER …]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve", contender, url] => match Contender::named(contender) {
            Some(contender) => {
                contenders::serve(contender, url);
                Ok(())
            }
            None => Err(format!("no contender is named {contender}")),
        },
        ["capacity", ref inputs @ ..] => capacity::text(inputs).map(|text| println!("{text}")),
        ["tail"] => rounds().map(|rounds| println!("{}", tail::section(rounds))),
        ["growth"] => rounds().map(|rounds| println!("{}", growth::section(rounds))),
        [] => rounds().map(all),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn rounds() -> Result<usize, String> {
    match env::var("ROUNDS") {
        Err(_) => Ok(5),
        Ok(text) => match text.parse() {
            Ok(rounds @ 1..) => Ok(rounds),
            _ => Err(format!("ROUNDS must be a number from 1 on, and is {text:?}")),
        },
    }
}

fn all(rounds: usize) {
    let servers = Server::all();
    let time = comparison::time_of(rounds, servers.len());
    let made: Vec<_> = servers.iter().map(|server| comparison::compare(server, rounds, time)).collect();
    drop(servers);
    let sections = [tail::section(rounds), growth::section(rounds)];
    page::write(&made, &Method { rounds, milliseconds: time.as_millis() }, &sections);
}
