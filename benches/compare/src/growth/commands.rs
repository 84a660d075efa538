//! Which commands a request sends, and what each costs the server.

use std::fmt::Write as _;

use test_servers::RedisKind;
use tokio::runtime::Runtime;

use super::{SMALL, Scene, table};
use crate::{
    load::{Kind, asked, visitors},
    server::{Server, calls_of},
};

/// The figures of `INFO commandstats` are averages, so a few thousand will do.
const REQUESTS: usize = 3000;

pub fn by_kind(runtime: &Runtime, _rounds: usize) -> String {
    let mut text = format!(
        "### Commands of a request\n\nAs `INFO commandstats` counts them over {REQUESTS} requests: so many for a request × \
         µs in the server, without reading from the network and writing to it. Commands after `evalsha` run inside it, and \
         its time includes theirs.\n\n"
    );
    table(&mut text, &["", "start", "read", "increment", "rotation"]);
    for server in [Server::start(RedisKind::Valkey, "native"), Server::start(RedisKind::Old, "Lua")] {
        let scene = Scene::with(server);
        let start = counted(runtime, &scene, &format!("/start/{SMALL}"));
        let others = [Kind::Read, Kind::Increment, Kind::Rotation].map(|kind| counted(runtime, &scene, kind.path()));
        let title = format!("{}, {}", scene.server.version, scene.server.compares);
        _ = writeln!(text, "| {title} | {start} | {} |", others.join(" | "));
    }
    text
}

fn counted(runtime: &Runtime, scene: &Scene, path: &str) -> String {
    let redis = &scene.server.redis;
    runtime.block_on(async {
        let mut visitors = visitors(scene.service.port, 1, SMALL).await.expect("a session");
        // The first makes the connections and loads the scripts.
        asked(&mut visitors[0], path).await.unwrap_or_else(|why| panic!("{why}"));
        redis.cli(&["CONFIG", "RESETSTAT"]);
        for _ in 0..REQUESTS {
            if path.starts_with("/start") {
                visitors[0].forget();
            }
            asked(&mut visitors[0], path).await.unwrap_or_else(|why| panic!("{why}"));
        }
    });
    let calls = calls_of(redis).into_iter().filter(|(_, (calls, _))| *calls > REQUESTS as f64 / 100.0);
    let of =
        |(name, (calls, micros)): (String, (f64, f64))| format!("{:.2} {name} × {micros:.1}", calls / REQUESTS as f64);
    calls.map(of).collect::<Vec<_>>().join(", ")
}
