//! Redis in front of SQL: a loss in Redis loses no session, and a session that ended in SQL never comes back.

mod gate;
mod races;
mod sessions;

use std::time::Duration;

use bytes::Bytes;
use shared_session::{
    ErrorKind, SecretKeys, SessionManager,
    store::{Deleted, RedisConfig, RedisStore, Replaced, Seen, SessionStore, SqlStore, TieredStore},
    testing::store_contract,
    throttle::{Policy, Subject, Throttle, Verdict},
};
use test_servers::{Postgres, Redis, RedisKind};

use crate::{
    backends,
    redis::{commands, connect},
};

pub(super) const KEY: &str = "session:the-key";
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Versions of a value, identified by their first 24 bytes, as native records are by their tag.
pub(super) const ONE: &str = "tag-1-------------------one";
pub(super) const TWO: &str = "tag-2-------------------two";
pub(super) const THREE: &str = "tag-3-------------------three";
/// [`ONE`], used later.
pub(super) const TOUCHED: &str = "tag-1-------------------one, touched";

pub(super) fn seen(version: &'static str) -> Seen {
    Seen::new(version.into(), 0..24)
}

/// A database and a Redis.
pub(super) struct Site {
    pub(super) url: String,
    pub(super) redis: Redis,
}

impl Site {
    pub(super) fn new() -> Self {
        Self { url: Postgres::shared().create_database(), redis: Redis::start(RedisKind::Old) }
    }

    pub(super) async fn rows(&self) -> SqlStore {
        let rows = SqlStore::connect(&self.url).await.unwrap();
        rows.migrate().await.unwrap();
        rows
    }

    pub(super) async fn store(&self) -> TieredStore {
        self.over(self.rows().await).await
    }

    pub(super) async fn over(&self, rows: SqlStore) -> TieredStore {
        TieredStore::new(connect(&self.redis).await, rows)
    }

    /// A session whose copy is in Redis.
    pub(super) async fn with_copy(&self) -> TieredStore {
        let store = self.store().await;
        assert!(store.create(KEY, ONE.into(), HOUR).await.unwrap());
        assert_eq!(load(&store).await.as_deref(), Some(ONE));
        assert_eq!(self.copy(), ONE);
        store
    }

    /// The value in Redis.
    pub(super) fn copy(&self) -> String {
        self.redis.cli(&["GET", KEY])
    }

    pub(super) fn flush(&self) {
        assert_eq!(self.redis.cli(&["FLUSHALL"]), "OK");
    }
}

pub(super) async fn load(store: &TieredStore) -> Option<String> {
    store.load(KEY).await.unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

pub(super) async fn replace(store: &TieredStore, old: &'static str, new: &'static str) -> Replaced {
    store.replace(KEY, &seen(old), new.into(), HOUR).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_over_postgres() {
    store_contract(Site::new().store().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_over_sqlite_and_valkey() {
    let redis = Redis::start(RedisKind::Valkey);
    store_contract(TieredStore::new(connect(&redis).await, backends::sqlite().await)).await;
}

#[tokio::test]
async fn a_session_is_read_from_redis_once_it_was_read_or_written() {
    let site = Site::new();
    let store = site.with_copy().await;
    Postgres::shared().sql(&site.url, "ALTER TABLE shared_session RENAME TO hidden");
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    Postgres::shared().sql(&site.url, "ALTER TABLE hidden RENAME TO shared_session");
    assert_eq!(replace(&store, ONE, TWO).await, Replaced::Stored);
    assert_eq!(site.copy(), TWO);
    assert_eq!(replace(&store, ONE, THREE).await, Replaced::Conflict(TWO.into()));
    assert_eq!(load(&store).await.as_deref(), Some(TWO));
}

/// A count changes with every attempt, so a copy of it would be useless, and harmful while Redis is unreachable.
#[tokio::test]
async fn attempts_are_counted_in_sql_alone_also_without_redis() {
    let site = Site::new();
    let manager = SessionManager::new(site.store().await);
    let keys = || SecretKeys::new([7; 32]).unwrap();
    let policy = Policy::new(4).with_waits(HOUR, HOUR).with_recovery(24 * HOUR);
    let (one, another) = (Throttle::of(&manager, keys()), Throttle::new(site.store().await, keys()));
    let attempt = async |throttle: &Throttle| {
        throttle.attempt([Subject::account("sign-in", "ann").with_policy(policy)]).await.unwrap()
    };
    let Verdict::Go(_) = attempt(&one).await else { panic!("four are free") };
    assert_eq!(site.redis.cli(&["KEYS", "*"]), "");
    site.redis.kill();
    let Verdict::Go(_) = attempt(&another).await else { panic!("four are free") };
    let Verdict::Go(right) = attempt(&one).await else { panic!("four are free") };
    right.succeeded().await;
    for _ in 0..4 {
        assert!(matches!(attempt(&one).await, Verdict::Go(_)), "a success forgets the failures");
    }
    assert!(matches!(attempt(&another).await, Verdict::Wait(wait) if wait <= HOUR));
}

#[tokio::test]
async fn a_purge_removes_the_rows() {
    let site = Site::new();
    let store = site.store().await;
    Postgres::shared().sql(&site.url, "INSERT INTO shared_session VALUES ('dead', 'x', 1)");
    assert_eq!(store.purge_expired().await.unwrap(), 1);
    assert_eq!(Postgres::shared().sql(&site.url, "SELECT count(*) FROM shared_session"), "0");
}

#[tokio::test]
async fn every_operation_asks_redis_as_often_as_is_promised() {
    let site = Site::new();
    let store = site.with_copy().await;
    assert_eq!(replace(&store, ONE, TWO).await, Replaced::Stored);
    // Commands inside a script are no round trips: it reads a part, and a replacement sets once.
    let asked = || {
        let counts = commands(&site.redis);
        let count = |name| counts.get(name).copied().unwrap_or_default();
        (count("get"), count("set") - count("evalsha"), count("evalsha"), count("del"))
    };
    asked();
    load(&store).await;
    assert_eq!(asked(), (1, 0, 0, 0), "a load");
    assert_eq!(replace(&store, TWO, ONE).await, Replaced::Stored);
    assert_eq!(asked(), (0, 1, 1, 0), "a replacement");
    assert_eq!(replace(&store, TWO, ONE).await, Replaced::Conflict(ONE.into()));
    assert_eq!(asked(), (0, 1, 0, 0), "a conflict");
    load(&store).await;
    assert_eq!(asked(), (1, 0, 0, 0), "a load over a fence");
    assert_eq!(store.delete(KEY, Some(&seen(TWO))).await.unwrap(), Deleted::Conflict(ONE.into()));
    assert_eq!(asked(), (0, 1, 0, 0), "a deletion's conflict");
    assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
    assert_eq!(asked(), (0, 2, 0, 0), "a deletion");
    assert!(store.create("session:new", ONE.into(), HOUR).await.unwrap());
    assert_eq!(asked(), (0, 0, 0, 0), "a creation");
    assert!(store.load("session:new").await.unwrap().is_some());
    assert_eq!(asked(), (1, 1, 1, 0), "the first load");
}

#[tokio::test]
async fn an_empty_value_has_no_copy() {
    let site = Site::new();
    let store = site.store().await;
    assert!(store.create(KEY, Bytes::new(), HOUR).await.unwrap());
    assert_eq!(load(&store).await.as_deref(), Some(""));
    assert_eq!(site.copy(), "(nil)");
}

#[tokio::test]
async fn a_copy_ends_before_its_row_and_after_an_hour_at_most() {
    let site = Site::new();
    let store = site.with_copy().await;
    let lifetime = |at_most: u64| {
        let left: u64 = site.redis.cli(&["PTTL", KEY]).parse().unwrap();
        assert!((10_001..=at_most).contains(&left), "{left} of {at_most}");
    };
    lifetime(3_599_000);
    for (old, new, ttl, at_most) in [(ONE, TWO, HOUR * 1000, 3_600_000), (TWO, ONE, HOUR / 2, 1_799_000)] {
        assert_eq!(store.replace(KEY, &seen(old), new.into(), ttl).await.unwrap(), Replaced::Stored);
        lifetime(at_most);
        site.flush();
        assert_eq!(load(&store).await.as_deref(), Some(new));
        lifetime(at_most);
    }
    let short = Duration::from_millis(900);
    assert_eq!(store.replace(KEY, &seen(ONE), TWO.into(), short).await.unwrap(), Replaced::Stored);
    assert_ne!(site.copy(), TWO);
}

#[tokio::test]
async fn a_flushed_redis_signs_nobody_out() {
    let site = Site::new();
    let store = site.with_copy().await;
    store.index_add("index", "member", store.time().await.unwrap().after(HOUR)).await.unwrap();
    site.flush();
    assert_eq!(store.index_list("index").await.unwrap(), ["member"]);
    assert_eq!(store.scan("session:", None).await.unwrap().keys, [KEY]);
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    assert_eq!(site.copy(), ONE, "the copy is back");
    site.flush();
    assert_eq!(replace(&store, ONE, TWO).await, Replaced::Stored);
    site.flush();
    assert_eq!(load(&store).await.as_deref(), Some(TWO));
    assert_eq!(store.delete(KEY, Some(&seen(TWO))).await.unwrap(), Deleted::Done);
    site.flush();
    assert_eq!(load(&store).await, None);
    assert_eq!(replace(&store, TWO, THREE).await, Replaced::Gone);
}

#[tokio::test]
async fn without_redis_sessions_are_read_and_started_and_no_write_is_begun() {
    let site = Site::new();
    let store = site.with_copy().await;
    site.redis.kill();
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    assert!(store.create("session:new", ONE.into(), HOUR).await.unwrap());
    for error in [
        store.replace(KEY, &seen(ONE), TWO.into(), HOUR).await.unwrap_err(),
        store.delete(KEY, Some(&seen(ONE))).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
        assert!(!format!("{error} {error:?}").contains("the-key"));
    }
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    site.redis.restart();
    for _ in 0..1000 {
        if site.copy() == ONE {
            break;
        }
        assert_eq!(load(&store).await.as_deref(), Some(ONE));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(site.copy(), ONE);
    assert_eq!(replace(&store, ONE, TWO).await, Replaced::Stored);
}

/// Without a reply it is unknown whether the fence exists, but certain that the row is unchanged.
#[tokio::test]
async fn a_redis_that_hangs_delays_reads_and_begins_no_write() {
    let site = Site::new();
    site.with_copy().await;
    let impatient = RedisConfig::new().with_response_timeout(Duration::from_millis(100));
    let copies = RedisStore::connect_with(&site.redis.url(), &impatient).await.unwrap();
    let store = TieredStore::new(copies, site.rows().await);
    site.redis.pause();
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    let error = store.replace(KEY, &seen(ONE), TWO.into(), HOUR).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
    let error = store.delete(KEY, None).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
    site.redis.resume();
    assert_eq!(load(&site.store().await).await.as_deref(), Some(ONE));
}

#[tokio::test]
async fn a_redis_without_memory_deletes_and_reads_but_does_not_replace() {
    let site = Site::new();
    let store = site.with_copy().await;
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    let error = store.replace(KEY, &seen(ONE), TWO.into(), HOUR).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
    assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
    assert_eq!(load(&store).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sql_copies_are_read_and_nothing_is_written() {
    let server = Postgres::start();
    let site = Site { url: server.url(), redis: Redis::start(RedisKind::Old) };
    let store = site.with_copy().await;
    assert!(store.create("session:other", ONE.into(), HOUR).await.unwrap());
    server.kill();
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
    assert_eq!(store.load("session:other").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.create("session:new", ONE.into(), HOUR).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let error = store.replace(KEY, &seen(ONE), TWO.into(), HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.load(KEY).await.unwrap_err().kind(), ErrorKind::Unavailable, "a write that failed leaves a fence");
    server.restart();
    for _ in 0..100 {
        if let Ok(value) = store.load(KEY).await {
            assert_eq!(value, Some(Bytes::from(ONE)));
            return;
        }
    }
    panic!("the store does not find the server again");
}

#[tokio::test]
async fn a_value_that_would_be_taken_for_a_fence_is_refused() {
    let site = Site::new();
    let store = site.with_copy().await;
    let fence = Bytes::from_static(b"\0ask SQL\0");
    assert_eq!(store.create("new", fence.clone(), HOUR).await.unwrap_err().kind(), ErrorKind::Value);
    assert_eq!(store.replace(KEY, &seen(ONE), fence, HOUR).await.unwrap_err().kind(), ErrorKind::Value);
    assert_eq!(load(&store).await.as_deref(), Some(ONE));
}
