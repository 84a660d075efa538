//! Decoding and encoding a record, through the public API over a store that does nothing.
//!
//! `decode` is `open` and `load`: the cookie, the key, the record, the hash of the secret. `encode` is `close` and
//! `commit` of one edit: the decision, the spawned task, the record.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use shared_session::{Close, Ending, LazySession, Profile, Sealing, SecretKeys, SessionManager};
use shared_session_benches::{FixedStore, new_session};

/// How many drafts are prepared before the timer starts.
const BATCH: u64 = 64;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("record");
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
    let plain = Profile::default();
    let sealed = Profile::sealed("shared_session:", Sealing::new(&keys).unwrap());
    for (name, size, profile) in [
        ("200 B", 200, &plain),
        ("20 KB", 20_000, &plain),
        ("200 B sealed", 200, &sealed),
        ("20 KB sealed", 20_000, &sealed),
    ] {
        let manager = SessionManager::new(FixedStore::default())
            .with_profile(profile.clone())
            .with_anonymous_max_size(usize::MAX);
        let cookie = runtime.block_on(new_session(&manager, size));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter_custom(|iterations| runtime.block_on(decode(&manager, &cookie, iterations)));
        });
        group.bench_function(format!("encode {name}"), |bencher| {
            bencher.iter_custom(|iterations| runtime.block_on(encode(&manager, &cookie, iterations)));
        });
    }
    group.finish();
    criterion.final_summary();
}

async fn decode(manager: &SessionManager, cookie: &str, iterations: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        let handle = manager.open([black_box(cookie.as_bytes())]);
        black_box(handle.load().await.unwrap());
    }
    start.elapsed()
}

async fn encode(manager: &SessionManager, cookie: &str, iterations: u64) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let mut edited = Vec::new();
        for _ in 0..batch {
            edited.push(edit(manager, cookie).await);
        }
        let start = Instant::now();
        for handle in &edited {
            match manager.close(handle, Ending::Completed) {
                Close::Commit(commit) => assert!(black_box(manager.commit(commit).await).error().is_none()),
                _ => unreachable!("there is an edit"),
            }
        }
        elapsed += start.elapsed();
    }
    elapsed
}

async fn edit(manager: &SessionManager, cookie: &str) -> LazySession {
    let handle = manager.open([cookie.as_bytes()]);
    handle.load().await.unwrap().insert("entry5", "yyyyyyyy").unwrap();
    handle
}
