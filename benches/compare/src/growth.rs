//! The costs that grow with the number of sessions, and those that do not.

mod commands;
mod memory;
mod process;
mod stored;

use std::{fmt::Write as _, time::Instant};

use redis::{Client, Pipeline};
use test_servers::{Redis, Reply};
use tokio::runtime::Runtime;

use crate::{contenders::Contender, load::visitors, process::Service, server::Server};

/// The size of a small session in bytes.
const SMALL: usize = 200;

/// The section of the page.
pub fn section(rounds: usize) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut text =
        "## Growth\n\nOurs on Axum, Valkey. Sessions have 200 bytes of entries unless stated otherwise. Times \
                    are medians of rounds in turns; counts and bytes repeat.\n\n"
            .to_owned();
    type Part = fn(&Runtime, usize) -> String;
    let parts: [(&str, Part); 5] = [
        ("sessions", stored::by_sessions),
        ("sessions of a user", stored::by_devices),
        ("commands", commands::by_kind),
        ("memory of Redis", memory::of_redis),
        ("the service", process::of_service),
    ];
    for (name, part) in parts {
        let started = Instant::now();
        text += &part(&runtime, rounds);
        text.push('\n');
        eprintln!("growth: {name}, {:.0?}", started.elapsed());
    }
    text
}

/// A server, and our service on Axum that uses it.
struct Scene {
    server: Server,
    service: Service,
}

impl Scene {
    fn new() -> Self {
        Self::with(Server::native())
    }

    fn with(server: Server) -> Self {
        let service = Service::start(Contender::OursOnAxum, &server.redis.url());
        Self { server, service }
    }
}

/// Makes the service begin a session of this size, signed in on request; returns its key and its handle.
fn example(runtime: &Runtime, scene: &Scene, size: usize, signed_in: bool) -> (String, String) {
    let redis = &scene.server.redis;
    let before = keys(redis);
    runtime.block_on(async {
        let mut visitor = visitors(scene.service.port, 1, size).await.expect("a session").remove(0);
        if signed_in {
            assert_eq!(visitor.ask("/rotation").await.ok(), Some(200));
        }
    });
    let is_session = |key: &String| !key.contains(":user:") && !before.contains(key);
    let key = keys(redis).into_iter().find(is_session).expect("the session's key");
    let handle = key.strip_prefix(PREFIX).expect("our prefix").to_owned();
    (key, handle)
}

const PREFIX: &str = "shared_session:";

fn keys(redis: &Redis) -> Vec<String> {
    // There are only few keys, because the server is filled later.
    redis.cli(&["KEYS", &format!("{PREFIX}*")]).lines().map(str::to_owned).collect()
}

/// Stores `copies` copies of the session `key` under unused handles.
fn copy(redis: &Redis, key: &str, copies: usize) {
    let Reply::Bytes(record) = redis.command(&[b"GET", key.as_bytes()]) else { panic!("{key} holds no record") };
    const FORTNIGHT: u64 = 14 * 86_400;
    fill(redis, copies, |pipe, at| {
        pipe.set_ex(format!("{PREFIX}{at:024}"), &record, FORTNIGHT);
    });
}

/// Adds commands for each number from 1 to `count`, in batches that the server answers quickly.
fn fill(redis: &Redis, count: usize, add: impl Fn(&mut Pipeline, usize)) {
    const BATCH: usize = 1_000;
    let mut connection = Client::open(redis.url()).and_then(|client| client.get_connection()).unwrap();
    for from in (1..=count).step_by(BATCH) {
        let mut pipe = redis::pipe();
        (from..=count.min(from + BATCH - 1)).for_each(|at| add(&mut pipe, at));
        pipe.ignore().exec(&mut connection).unwrap();
    }
}

fn table(text: &mut String, heads: &[&str]) {
    _ = writeln!(text, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
}
