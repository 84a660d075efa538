//! Opening a session: finding our cookie among all cookies of a request. And the cost of signing cookies: for opening a
//! session, for refusing a made-up cookie, and for a rotation, which sends a new one.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use shared_session::{Close, Ending, SecretKeys, SessionManager, cookie::SignedCookies, store::MemoryStore};
use shared_session_benches::{FixedStore, new_session};

fn main() {
    let manager = SessionManager::new(MemoryStore::new());
    let ours = format!("{}={}", manager.cookie().name(), "A".repeat(56));
    let among = |siblings: usize| {
        let siblings: String = (0..siblings).map(|n| format!("_ga_{n}=GS1.1.1700000000.1; ")).collect();
        siblings + &ours
    };
    let headers = [
        ("alone", ours.clone()),
        ("among 20 siblings", among(20)),
        ("among 4000 siblings", among(4000)),
        ("twice", format!("{ours}; {ours}")),
        ("absent", "theme=dark; language=en".to_owned()),
    ];
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("cookie");
    for (name, header) in &headers {
        group.bench_function(*name, |bencher| bencher.iter(|| manager.open([black_box(header.as_bytes())])));
    }
    group.finish();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
    let plain = SessionManager::new(FixedStore::default());
    let signed =
        SessionManager::new(FixedStore::default()).with_signed_cookies(SignedCookies::new(&keys).unwrap()).unwrap();
    let mut group = criterion.benchmark_group("signing");
    for (name, manager) in [("unsigned", &plain), ("signed", &signed)] {
        let cookie = runtime.block_on(new_session(manager, 200));
        // A well-formed tag, so that the expected tag is computed and compared.
        let last = if cookie.ends_with('A') { "Q" } else { "A" };
        let made_up = cookie.get(..cookie.len() - 1).unwrap().to_owned() + last;
        group.bench_function(format!("open {name}"), |bencher| {
            bencher.iter(|| manager.open([black_box(cookie.as_bytes())]));
        });
        group.bench_function(format!("open made-up {name}"), |bencher| {
            bencher.iter(|| manager.open([black_box(made_up.as_bytes())]));
        });
        group.bench_function(format!("rotate {name}"), |bencher| {
            bencher.iter_custom(|iterations| runtime.block_on(rotate(manager, &cookie, iterations)));
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Commits that send a new cookie; only they are timed.
async fn rotate(manager: &SessionManager, cookie: &str, iterations: u64) -> Duration {
    let mut elapsed = Duration::ZERO;
    for _ in 0..iterations {
        let handle = manager.open([cookie.as_bytes()]);
        handle.load().await.unwrap().rotate().unwrap();
        let start = Instant::now();
        let Close::Commit(commit) = manager.close(&handle, Ending::Completed) else {
            unreachable!("there is a rotation")
        };
        black_box(manager.commit(commit).await.set_cookie().map(str::len));
        elapsed += start.elapsed();
    }
    elapsed
}
