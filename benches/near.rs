//! The near cache: the cost of a hit compared with a `GET`, and the delay until it shows a write of another process.
//!
//! The bench starts the server (`scripts/test-env` finds or installs it). "Loaded" means that 32 tasks of the same
//! process load and commit other sessions meanwhile, over the same server and the same two cores.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::Criterion;
use redis::AsyncCommands;
use shared_session::{
    Close, Ending, NearCache, SessionManager,
    store::{RedisConfig, RedisStore},
};
use shared_session_benches::new_session;
use test_servers::{Redis, RedisKind};

const WRITES: usize = 2000;
const LOAD: usize = 32;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    let redis = Redis::start(RedisKind::New);
    let (far, near) = runtime.block_on(managers(&redis));
    for size in [200, 2000] {
        let cookie = runtime.block_on(new_session(&far, size));
        runtime.block_on(keep(&near, &cookie));
        let mut group = criterion.benchmark_group(format!("near cache, {size} bytes"));
        group.bench_function("GET", |bencher| {
            let client = redis::Client::open(redis.url()).unwrap();
            let mut by_hand = runtime.block_on(client.get_multiplexed_async_connection()).unwrap();
            let handle = runtime.block_on(load(&far, &cookie)).handle().unwrap();
            let key = format!("shared_session:{handle}");
            bencher.iter(|| {
                let value: Vec<u8> = runtime.block_on(by_hand.get(&key)).unwrap();
                black_box(value)
            });
        });
        for (name, manager) in [("load", &far), ("load, kept", &near)] {
            group.bench_function(name, |bencher| bencher.iter(|| black_box(runtime.block_on(load(manager, &cookie)))));
        }
        group.finish();
    }
    criterion.final_summary();
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        println!("From the acknowledgement of a write to the first read that sees it, {WRITES} writes, µs:");
        for loaded in [false, true] {
            let (mut late, busy) = runtime.block_on(latencies(&far, &near, loaded));
            late.sort_unstable();
            let [median, p99, most] = [50, 99, 100].map(|percent| late[(late.len() - 1) * percent / 100].as_micros());
            println!(
                "  {}: p50 {median}, p99 {p99}, max {most}; {busy} other commits",
                if loaded { "loaded" } else { "idle" }
            );
        }
    }
}

async fn managers(redis: &Redis) -> (SessionManager, SessionManager) {
    // A busy machine may be slow: the figures show it, but it must not cause errors.
    let config = RedisConfig::new().with_response_timeout(Duration::from_secs(30));
    let far = RedisStore::connect_with(&redis.url(), &config).await.unwrap();
    let near = RedisStore::connect_with(&redis.url(), &config).await.unwrap();
    let cached = SessionManager::new(near.clone()).with_near_cache(NearCache::new()).unwrap();
    (SessionManager::new(far).with_anonymous_max_size(usize::MAX), cached)
}

async fn load(manager: &SessionManager, cookie: &str) -> shared_session::Session {
    manager.open([cookie.as_bytes()]).load().await.unwrap()
}

/// Loads until the near cache answers.
async fn keep(near: &SessionManager, cookie: &str) {
    let before = near.stats().near_hits;
    while near.stats().near_hits == before {
        load(near, cookie).await;
    }
}

async fn write(manager: &SessionManager, cookie: &str, n: usize) {
    let handle = manager.open([cookie.as_bytes()]);
    handle.load().await.unwrap().insert("visits", &n).unwrap();
    match manager.close(&handle, Ending::Completed) {
        Close::Commit(commit) => assert!(manager.commit(commit).await.error().is_none()),
        Close::Done(_) => unreachable!("there is an edit"),
    }
}

/// How long after each write of `far` reads of `near` did not show it.
async fn latencies(far: &SessionManager, near: &SessionManager, loaded: bool) -> (Vec<Duration>, usize) {
    let running = Arc::new(AtomicBool::new(loaded));
    let mut load_tasks = Vec::new();
    for _ in 0..if loaded { LOAD } else { 0 } {
        let (far, running, cookie) = (far.clone(), running.clone(), new_session(far, 200).await);
        load_tasks.push(tokio::spawn(async move {
            let mut commits = 0;
            while running.load(Ordering::Relaxed) {
                write(&far, &cookie, commits).await;
                commits += 1;
            }
            commits
        }));
    }
    let (near, far) = (near.clone(), far.clone());
    let late = tokio::spawn(async move {
        let cookie = new_session(&far, 200).await;
        let mut late = Vec::with_capacity(WRITES);
        for n in 2..WRITES + 2 {
            keep(&near, &cookie).await;
            write(&far, &cookie, n).await;
            let acknowledged = Instant::now();
            late.push(loop {
                let started = acknowledged.elapsed();
                if load(&near, &cookie).await.get::<usize>("visits").unwrap() == Some(n) {
                    break started;
                }
                tokio::task::yield_now().await;
            });
        }
        late
    });
    let late = late.await.unwrap();
    running.store(false, Ordering::Relaxed);
    let mut commits = 0;
    for task in load_tasks {
        commits += task.await.unwrap();
    }
    (late, commits)
}
