//! The same small service on several session layers, under the same load: `make compare`.
//!
//! Every contender is a process of its own. In each round every contender serves every kind of request once, in turns,
//! so that what disturbs the machine disturbs all; what is shown are medians of the rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a comparison that cannot go on must stop")]

mod contenders;
mod load;
mod report;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use contenders::CONTENDERS;
use load::{Kind, Sample};
use test_servers::{Redis, RedisKind};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [serve, contender, url] = &arguments[..]
        && serve == "serve"
    {
        return contenders::serve(contender, url);
    }
    let number = |at: usize, otherwise: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (rounds, milliseconds) = (number(0, 5) as usize, number(1, 1000));
    let mut tables = Vec::new();
    for (name, kind) in [("Lua (Redis 6.2 or 7)", RedisKind::Old), ("native (Redis 8 or Valkey)", RedisKind::New)] {
        let redis = Redis::start(kind);
        let samples = compare(&redis, rounds, milliseconds);
        let version = redis.cli(&["INFO", "server"]);
        let version =
            version.lines().filter(|line| line.starts_with("redis_version") || line.starts_with("valkey_version"));
        let version = version.map(|line| line.trim().replace("_version:", " ")).collect::<Vec<_>>().join(", ");
        tables.push(report::Table { title: format!("{name}: {version}"), samples });
    }
    report::write(&tables, rounds, milliseconds);
}

/// A contender that serves.
struct Service {
    name: &'static str,
    process: Child,
    port: u16,
}

impl Service {
    fn start(name: &'static str, url: &str) -> Self {
        let own = env::current_exe().unwrap();
        let mut process = Command::new(own).args(["serve", name, url]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{name} did not start: {line:?}"));
        Self { name, process, port }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compare(redis: &Redis, rounds: usize, milliseconds: u64) -> Vec<(&'static str, Kind, Vec<Sample>)> {
    let services: Vec<Service> = CONTENDERS.iter().map(|name| Service::start(name, &redis.url())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut samples: Vec<(&'static str, Kind, Vec<Sample>)> = Vec::new();
    for service in &services {
        samples.extend(Kind::ALL.map(|kind| (service.name, kind, Vec::new())));
    }
    for round in 0..rounds {
        for kind in Kind::ALL {
            // Another one is first in each round.
            for at in 0..services.len() {
                let service = &services[(at + round) % services.len()];
                let sample = runtime.block_on(load::run(service.port, service.process.id(), kind, milliseconds, redis));
                eprintln!("round {round} {} {kind:?} {:.0}/s", service.name, sample.per_second);
                let cell = samples.iter_mut().find(|(name, of, _)| *name == service.name && *of == kind);
                cell.unwrap().2.push(sample);
            }
        }
    }
    samples
}
