//! Load and commit over Redis, compared with the same commands written by hand, and the number of commands of a
//! request.
//!
//! The bench starts the servers (`scripts/test-env` finds or installs them). By hand a read is a `GET`, a write a `GET`
//! and a `SET`, with the same client, on one shared connection and for the same bytes.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    fmt::Write as _,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::Criterion;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use shared_session::{
    Close, Ending, Error, SecretKeys, SessionLayer, SessionManager, cookie::SignedCookies, store::RedisStore,
};
use shared_session_benches::{Request, handlers, new_session, request};
use test_servers::{Redis, RedisKind};
use tower::{Layer, Service, ServiceExt, service_fn};

/// How many rounds compared operations take, in turns.
const ROUNDS: usize = 31;

/// Two weeks, the default lifetime of sessions.
const LIFETIME_MS: u64 = 14 * 24 * 3600 * 1000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    // With a filter or under a profiler only one operation runs.
    let whole = std::env::args().skip(1).all(|argument| argument == "--bench");
    let mut ratios = String::new();
    for (name, kind) in [("redis 6.2-7", RedisKind::Old), ("valkey 9", RedisKind::Valkey)] {
        let redis = Redis::start(kind);
        for tasks in [1, 32] {
            let fixture = Arc::new(runtime.block_on(Fixture::new(&redis, tasks)));
            let mut group = criterion.benchmark_group(format!("{name}, {tasks} tasks"));
            for operation in Operation::COMPARED.into_iter().chain(Operation::MADE_UP) {
                group.bench_function(operation.name(), |bencher| {
                    bencher.iter_custom(|iterations| runtime.block_on(run(operation, tasks, iterations, &fixture)));
                });
            }
            group.finish();
            if whole {
                let compared = runtime.block_on(compare(tasks, &fixture));
                writeln!(ratios, "  {name}, {tasks} tasks: {compared}").unwrap();
            }
        }
    }
    criterion.final_summary();
    if whole {
        println!("Throughput as a ratio to the same by hand, median of {ROUNDS} rounds (quartiles):\n{ratios}");
        runtime.block_on(print_commands());
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Get,
    Load,
    GetSet,
    LoadCommit,
    MadeUp,
    MadeUpSigned,
}

impl Operation {
    const COMPARED: [Self; 4] = [Self::Get, Self::Load, Self::GetSet, Self::LoadCommit];
    const MADE_UP: [Self; 2] = [Self::MadeUp, Self::MadeUpSigned];

    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Load => "load",
            Self::GetSet => "GET, SET",
            Self::LoadCommit => "load, commit",
            Self::MadeUp => "made-up cookie",
            Self::MadeUpSigned => "made-up cookie, cookies are signed",
        }
    }
}

/// A session for each task, and a value of the same size for the operations by hand.
struct Fixture {
    manager: SessionManager,
    signing: SessionManager,
    cookies: Vec<String>,
    made_up: String,
    by_hand: MultiplexedConnection,
    keys: Vec<String>,
}

impl Fixture {
    async fn new(redis: &Redis, tasks: usize) -> Self {
        let manager = SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap());
        let keys = SecretKeys::new("a secret key of at least thirty-two bytes").unwrap();
        let signing = manager.clone().with_signed_cookies(SignedCookies::new(&keys).unwrap()).unwrap();
        let made_up = format!("{}={}", manager.cookie().name(), "A".repeat(56));
        let client = redis::Client::open(redis.url()).unwrap();
        let mut by_hand = client.get_multiplexed_async_connection().await.unwrap();
        let (mut cookies, mut keys) = (Vec::new(), Vec::new());
        for task in 0..tasks {
            let cookie = new_session(&manager, 200).await;
            let handle = manager.open([cookie.as_bytes()]).load().await.unwrap().handle().unwrap();
            let record: Vec<u8> = by_hand.get(format!("shared_session:{handle}")).await.unwrap();
            let key = format!("by-hand:{task}");
            let () = by_hand.pset_ex(&key, record, LIFETIME_MS).await.unwrap();
            cookies.push(cookie);
            keys.push(key);
        }
        Self { manager, signing, cookies, made_up, by_hand, keys }
    }

    async fn run(&self, operation: Operation, task: usize) {
        let mut by_hand = self.by_hand.clone();
        match operation {
            Operation::Get => {
                let value: Vec<u8> = by_hand.get(&self.keys[task]).await.unwrap();
                black_box(value);
            }
            Operation::GetSet => {
                let value: Vec<u8> = by_hand.get(&self.keys[task]).await.unwrap();
                let () = by_hand.pset_ex(&self.keys[task], black_box(value), LIFETIME_MS).await.unwrap();
            }
            Operation::Load => {
                let handle = self.manager.open([self.cookies[task].as_bytes()]);
                black_box(handle.load().await.unwrap());
            }
            Operation::LoadCommit => {
                let handle = self.manager.open([self.cookies[task].as_bytes()]);
                handle.load().await.unwrap().insert("entry5", "yyyyyyyy").unwrap();
                match self.manager.close(&handle, Ending::Completed) {
                    Close::Commit(commit) => assert!(self.manager.commit(commit).await.error().is_none()),
                    _ => unreachable!("there is an edit"),
                }
            }
            Operation::MadeUp => {
                let handle = self.manager.open([self.made_up.as_bytes()]);
                black_box(handle.load().await.unwrap());
            }
            // The last 22 characters are read as the tag, as with any value.
            Operation::MadeUpSigned => {
                let handle = self.signing.open([self.made_up.as_bytes()]);
                black_box(handle.load().await.unwrap());
            }
        }
    }
}

/// The time for `iterations` operations that are divided among `tasks`.
async fn run(operation: Operation, tasks: usize, iterations: u64, fixture: &Arc<Fixture>) -> Duration {
    let rounds = iterations.div_ceil(tasks as u64);
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let fixture = Arc::clone(fixture);
            tokio::spawn(async move {
                for _ in 0..rounds {
                    fixture.run(operation, task).await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    start.elapsed().mul_f64(iterations as f64 / (rounds * tasks as u64) as f64)
}

/// Our throughput as a ratio to that by hand. All operations take turns, so that a busy machine slows them alike.
async fn compare(tasks: usize, fixture: &Arc<Fixture>) -> String {
    // Long enough to outlast a time slice of the operating system.
    let operations = 200 + 100 * tasks as u64;
    let (mut loads, mut commits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [get, load, get_set, load_commit] =
            Operation::COMPARED.map(|operation| run(operation, tasks, operations, fixture));
        let (get, load) = (get.await, load.await);
        let (get_set, load_commit) = (get_set.await, load_commit.await);
        loads.push(get.as_secs_f64() / load.as_secs_f64());
        commits.push(get_set.as_secs_f64() / load_commit.as_secs_f64());
    }
    format!("load {}, load and commit {}", spread(loads), spread(commits))
}

fn spread(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let [low, median, high] = [1, 2, 3].map(|quarter| ratios[ratios.len() * quarter / 4]);
    format!("{median:.2} ({low:.2}-{high:.2})")
}

/// Prints what `INFO commandstats` counted for each kind of request through the Tower layer.
async fn print_commands() {
    let redis = Redis::start(RedisKind::Old);
    let manager = SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap());
    // The first sign-in loads the scripts into the server and reads its clock.
    let cookie = new_session(&manager, 200).await;
    let layer = SessionLayer::new(manager.clone());
    layer.layer(service_fn(handlers::login)).oneshot(request(Some(&cookie))).await.unwrap();

    println!("Commands per request, as INFO commandstats counts them; what comes with evalsha runs inside its script:");
    macro_rules! count {
        ($name:literal, $cookie:expr, $handler:path) => {
            println!("  {:<10} {}", $name, commands(&redis, layer.layer(service_fn($handler)), &$cookie).await);
        };
    }
    let cookies = sessions(&manager).await;
    count!("no cookie", [const { None }; REQUESTS], handlers::untouched);
    count!("untouched", cookies, handlers::untouched);
    count!("read", cookies, handlers::read);
    count!("write", cookies, handlers::write);
    count!("login", cookies, handlers::login);
}

const REQUESTS: usize = 100;

async fn sessions(manager: &SessionManager) -> Vec<Option<String>> {
    let mut cookies = Vec::new();
    for _ in 0..REQUESTS {
        cookies.push(Some(new_session(manager, 200).await));
    }
    cookies
}

async fn commands<S, B>(redis: &Redis, mut service: S, cookies: &[Option<String>]) -> String
where
    S: Service<Request, Response = http::Response<B>, Error = Error>,
{
    redis.cli(&["CONFIG", "RESETSTAT"]);
    for cookie in cookies {
        let response = service.ready().await.unwrap().call(request(cookie.as_deref())).await.unwrap();
        assert!(response.status().is_success());
    }
    let mut counted = String::new();
    for line in redis.cli(&["INFO", "commandstats"]).lines() {
        let Some((command, rest)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls=")) else {
            continue;
        };
        let calls: f64 = rest.split(',').next().unwrap().parse().unwrap();
        // Leaves out the commands of this bench.
        if !command.starts_with("config") && command != "info" {
            write!(counted, "{command} {}  ", calls / cookies.len() as f64).unwrap();
        }
    }
    if counted.is_empty() { "none".to_owned() } else { counted.trim_end().to_owned() }
}
