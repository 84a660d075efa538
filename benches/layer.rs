//! The Tower layer over `MemoryStore`, compared with the same handler without it.
//!
//! One thread and no network: the difference to `bare` is the total cost of the layer, the engine and the store.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use metrics_exporter_prometheus::PrometheusBuilder;
use shared_session::{Error, SessionLayer, SessionManager, store::MemoryStore};
use shared_session_benches::{Request, handlers, new_session, request};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

/// How many requests are prepared before the timer starts.
const BATCH: u64 = 256;

/// The cookies of the requests.
#[derive(Clone, Copy)]
enum Cookie {
    Absent,
    /// The same session for all requests.
    One,
    /// A separate session for each request, because a login replaces the cookie.
    Each,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("layer");
    macro_rules! with_layer {
        ($name:literal, $cookie:expr, $handler:path) => {
            bench(&mut group, &runtime, $name, $cookie, |manager| {
                SessionLayer::new(manager).layer(service_fn($handler))
            })
        };
    }
    bench(&mut group, &runtime, "bare, no cookie", Cookie::Absent, |_| service_fn(handlers::untouched));
    with_layer!("no cookie", Cookie::Absent, handlers::untouched);
    bench(&mut group, &runtime, "bare", Cookie::One, |_| service_fn(handlers::untouched));
    with_layer!("untouched", Cookie::One, handlers::untouched);
    with_layer!("read", Cookie::One, handlers::read);
    with_layer!("write", Cookie::One, handlers::write);
    with_layer!("increment", Cookie::One, handlers::increment);
    with_layer!("login", Cookie::Each, handlers::login);
    // From here on all counts and times are recorded.
    let recorder = PrometheusBuilder::new().set_buckets(&[0.001, 0.01, 0.1]).unwrap().install_recorder().unwrap();
    with_layer!("read, recorded", Cookie::One, handlers::read);
    recorder.run_upkeep();
    with_layer!("write, recorded", Cookie::One, handlers::write);
    group.finish();
    criterion.final_summary();
}

fn bench<S, B>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    cookie: Cookie,
    service: impl Fn(SessionManager) -> S,
) where
    S: Service<Request, Response = http::Response<B>, Error = Error>,
{
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let manager = SessionManager::new(MemoryStore::new());
            runtime.block_on(run(service(manager.clone()), &manager, cookie, iterations))
        });
    });
}

/// Serves `iterations` requests. The time includes dropping the responses, but not making the requests.
async fn run<S, B>(mut service: S, manager: &SessionManager, cookie: Cookie, iterations: u64) -> Duration
where
    S: Service<Request, Response = http::Response<B>, Error = Error>,
{
    let one = new_session(manager, 200).await;
    let mut elapsed = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let mut requests = Vec::new();
        for _ in 0..batch {
            requests.push(match cookie {
                Cookie::Absent => request(None),
                Cookie::One => request(Some(&one)),
                Cookie::Each => request(Some(&new_session(manager, 200).await)),
            });
        }
        let start = Instant::now();
        for request in requests {
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            assert!(black_box(response).status().is_success());
        }
        elapsed += start.elapsed();
    }
    elapsed
}
