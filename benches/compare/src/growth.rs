//! What grows with the number of sessions, and what does not.

mod commands;
mod memory;
mod process;
mod stored;

use std::fmt::Write as _;

use test_servers::Redis;
use tokio::runtime::Runtime;

use crate::{contenders::Contender, load::visitors, process::Service, server::Server};

/// How many bytes a small session has.
const SMALL: usize = 200;

/// The section of the page.
pub fn section(rounds: usize) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut text =
        "## Growth\n\nOurs on Axum, Valkey. Sessions have 200 bytes of entries unless it says otherwise. Times \
                    are medians of rounds in turns; counts and bytes repeat.\n\n"
            .to_owned();
    for part in [stored::by_sessions, stored::by_devices, commands::by_kind, memory::of_redis, process::of_service] {
        text += &part(&runtime, rounds);
        text.push('\n');
    }
    text
}

/// A server, and ours on Axum before it.
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

/// A session of this size that the service began, signed in if it is to be; its key, and its handle.
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
    redis.cli(&["KEYS", &format!("{PREFIX}*")]).lines().map(str::to_owned).collect()
}

/// Stores copies of the session `key` under handles that nobody has, so many of them.
fn copy(redis: &Redis, key: &str, copies: usize) {
    const SCRIPT: &str = "local record = redis.call('GET', KEYS[1]) \
        for at = ARGV[1], ARGV[2] do \
            redis.call('SET', 'shared_session:' .. string.format('%024d', at), record, 'EX', 1209600) \
        end";
    batches(copies, |from, to| assert_eq!(redis.cli(&["EVAL", SCRIPT, "1", key, &from, &to]), "(nil)"));
}

/// From 1 on, so many that a script does not take long.
fn batches(count: usize, run: impl Fn(String, String)) {
    const BATCH: usize = 2_000;
    for from in (1..=count).step_by(BATCH) {
        run(from.to_string(), count.min(from + BATCH - 1).to_string());
    }
}

fn table(text: &mut String, heads: &[&str]) {
    _ = writeln!(text, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
}
