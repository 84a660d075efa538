//! The commands of a request, and their cost for the server.

use std::{collections::BTreeMap, fmt::Write as _};

use test_servers::{Redis, RedisKind};
use tokio::runtime::Runtime;

use super::{SMALL, Scene, table};
use crate::{
    load::{Kind, asked, visitors},
    process::cpu_of,
    server::{Server, calls_of},
    visitor::Visitor,
};

/// The figures of `INFO commandstats` are averages.
const REQUESTS: usize = 10_000;

pub fn by_kind(runtime: &Runtime, _rounds: usize) -> String {
    let mut text = format!(
        "### Commands of a request\n\nAs `INFO commandstats` counts them over {REQUESTS} requests, one after the other: so \
         many for a request × µs in the server, without reading from the network and writing to it. Commands beside \
         `evalsha` run inside it, and its time includes theirs. The last column is the processor time of the whole \
         server, with the network: that of a server which has one request at a time, and wakes for each.\n\n"
    );
    table(&mut text, &["", "request", "commands", "in all", "processor time, µs"]);
    for server in [Server::native(), Server::start(RedisKind::Old, false)] {
        let scene = Scene::with(server);
        let redis = &scene.server.redis;
        let start = ("start", format!("/start/{SMALL}"));
        let others = [Kind::Read, Kind::Increment, Kind::Rotation].map(|kind| (kind.name(), kind.path().to_owned()));
        for (name, path) in [start].into_iter().chain(others) {
            let cost = runtime.block_on(Cost::count(redis, scene.service.port, &path, REQUESTS));
            let title = format!("{}, {}", scene.server.version, if scene.server.is_native { "native" } else { "Lua" });
            _ = writeln!(text, "| {title} | {name} | {} | {:.2} | {:.1} |", cost.told(), cost.in_all(), cost.micros);
        }
    }
    text
}

/// The cost of a request for the server.
struct Cost {
    /// The number of calls of each command, and the microseconds of one call.
    commands: BTreeMap<String, (f64, f64)>,
    /// Microseconds of processor time.
    micros: f64,
}

impl Cost {
    async fn count(redis: &Redis, port: u16, path: &str, requests: usize) -> Self {
        let mut visitor = visitors(port, 1, SMALL).await.expect("a session").remove(0);
        // The first requests open the connections and load the scripts; after them the index has the same state as
        // after all others.
        for _ in 0..2 {
            ask(&mut visitor, path).await;
        }
        let process = redis.id().expect("a server that runs");
        redis.cli(&["CONFIG", "RESETSTAT"]);
        let before = cpu_of(process);
        for _ in 0..requests {
            ask(&mut visitor, path).await;
        }
        let micros = (cpu_of(process) - before) / requests as f64;
        let of = |(name, (calls, each)): (String, (f64, f64))| (name, (calls / requests as f64, each));
        // Leaves out commands of new connections and of this program.
        let usual = |(_, (share, _)): &(String, (f64, f64))| *share > 0.02;
        Self { commands: calls_of(redis).into_iter().map(of).filter(usual).collect(), micros }
    }

    fn in_all(&self) -> f64 {
        self.commands.values().map(|(share, _)| share).sum()
    }

    fn told(&self) -> String {
        let each = |(name, (share, each)): (&String, &(f64, f64))| format!("{share:.2} {name} × {each:.1}");
        self.commands.iter().map(each).collect::<Vec<_>>().join(", ")
    }
}

async fn ask(visitor: &mut Visitor, path: &str) {
    if path.starts_with("/start") {
        visitor.forget();
    }
    asked(visitor, path).await.unwrap_or_else(|why| panic!("{why}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{capacity, contenders};

    /// The commands of a read, a write and a sign-in. Sign-ins may differ by one command: the lifetime of the index
    /// only grows if a millisecond has passed.
    async fn counted(kind: RedisKind) -> [f64; 3] {
        let redis = Redis::start(kind);
        let port = contenders::start_ours(&redis.url()).await;
        let mut counted = [0.0; 3];
        for (at, kind) in [Kind::Read, Kind::Increment, Kind::Rotation].into_iter().enumerate() {
            counted[at] = Cost::count(&redis, port, kind.path(), 100).await.in_all();
        }
        counted
    }

    fn is_from(counted: [f64; 3], most: [f64; 3]) -> bool {
        let [read, write, login] = counted;
        [read.round(), write.round()] == most[..2] && (most[2] - 1.0..=most[2] + 0.1).contains(&login)
    }

    #[tokio::test]
    async fn the_calculation_begins_with_the_commands_that_a_server_counts() {
        let taken = ["read", "write", "login"].map(|kind| capacity::default_of(&format!("{kind}-commands")));
        let counted = counted(RedisKind::Valkey).await;
        assert!(is_from(counted, taken), "{counted:?}, and {taken:?} are taken");
    }

    #[tokio::test]
    async fn a_write_is_two_commands_more_where_it_is_compared_in_lua() {
        let [read, write, login] =
            ["read", "write", "login"].map(|kind| capacity::default_of(&format!("{kind}-commands")));
        let counted = counted(RedisKind::Old).await;
        assert!(is_from(counted, [read, write + 2.0, login + 2.0]), "{counted:?}");
    }
}
