//! The cost of `CurrentUser` for a request: the signed-in user is read from the user table, or taken from a user cache,
//! and checked.
//!
//! `MemoryStore`, the Tower layer, one request after the other, no network except for PostgreSQL. Measurements take
//! turns in rounds; the figures are medians, each compared with the same request without the user. Processor time is
//! that of this process, including sqlx's thread for SQLite, but not PostgreSQL's own.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use http::header::SET_COOKIE;
use shared_session::{
    Error, ErrorKind, LazySession, SecretKeys, Session, SessionLayer, SessionManager,
    store::MemoryStore,
    users::{NewUser, SqlUsers, UserCache, Users as _},
};
use shared_session_benches::{Request, Response, request};
use test_servers::Postgres;
use tower::{Layer, ServiceExt, service_fn};

const ROUNDS: usize = 9;
const REQUESTS: u32 = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-users.sqlite");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", file.display()));
    }
    let postgres = Postgres::start();
    runtime.block_on(async {
        for (name, url) in [("SQLite", format!("sqlite://{}", file.display())), ("PostgreSQL", postgres.url())] {
            let (manager, cookie, users) = signed_in(&url).await;
            let caching = SqlUsers::connect(&url).await.unwrap().with_cache(UserCache::new());
            let caching = manager.clone().with_users(caching, keys());
            let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
            let mut finds = Vec::new();
            for _ in 0..ROUNDS {
                rounds[0].push(ask(&manager, &cookie, What::Session).await);
                rounds[1].push(ask(&manager, &cookie, What::User).await);
                rounds[2].push(ask(&caching, &cookie, What::User).await);
                finds.push(find(&users).await);
            }
            let [without, with, cached] = rounds.map(|rounds| median(&rounds));
            let finds = median(&finds);
            println!(
                "{name}: a read takes {:.1} µs without the user, {:.1} with and {:.1} with a user cache; {:.1}, {:.1} and \
                 {:.1} of processor time; finding the user alone takes {:.1} and {:.1}",
                without.time,
                with.time,
                cached.time,
                without.processor,
                with.processor,
                cached.processor,
                finds.time,
                finds.processor
            );
        }
    });
}

/// The cookie of a session whose user is in the database.
async fn signed_in(url: &str) -> (SessionManager, String, SqlUsers) {
    let users = SqlUsers::connect(url).await.unwrap();
    users.migrate().await.unwrap();
    let ann = users.create_user(NewUser::new("ann", "correct horse battery")).await.unwrap();
    let manager = SessionManager::new(MemoryStore::new()).with_users(users.clone(), keys());
    let sign_in = service_fn(async |request: Request| {
        session(&request).await?.login(&ann)?;
        Ok::<_, Error>(Response::default())
    });
    let response = SessionLayer::new(manager.clone()).layer(sign_in).oneshot(request(None)).await.unwrap();
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    (manager, cookie, users)
}

fn keys() -> SecretKeys {
    SecretKeys::new("a secret key of at least thirty-two bytes").unwrap()
}

async fn session(request: &Request) -> Result<Session, Error> {
    request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await
}

/// The data that the handler uses.
#[derive(Clone, Copy)]
enum What {
    Session,
    User,
}

/// Microseconds for each request.
#[derive(Clone, Copy)]
struct Figures {
    time: f64,
    processor: f64,
}

async fn ask(manager: &SessionManager, cookie: &str, what: What) -> Figures {
    let handler = service_fn(async |request: Request| {
        let session = session(&request).await?;
        let name = match what {
            What::Session => session.get("name")?,
            What::User => Some(session.require_user().await?.username),
        };
        Ok::<_, Error>(Response::new(name.unwrap_or_default()))
    });
    let service = SessionLayer::new(manager.clone()).layer(handler);
    measured(async || drop(service.clone().oneshot(request(Some(cookie))).await.unwrap())).await
}

/// The cost of one query on the user table.
async fn find(users: &SqlUsers) -> Figures {
    measured(async || assert!(users.find("1").await.unwrap().is_some())).await
}

async fn measured(once: impl AsyncFn()) -> Figures {
    let (started, before) = (Instant::now(), processor());
    for _ in 0..REQUESTS {
        once().await;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(REQUESTS);
    Figures { time: each(started.elapsed()), processor: each(processor() - before) }
}

/// The processor time of all threads of this process.
fn processor() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
    let nanoseconds = tasks.map(|task| of(task).split(' ').next().and_then(|text| text.parse::<u64>().ok()));
    Duration::from_nanos(nanoseconds.flatten().sum())
}

fn median(rounds: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Figures { time: of(|figures| figures.time), processor: of(|figures| figures.processor) }
}
