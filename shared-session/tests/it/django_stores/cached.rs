//! The copies that Django reads: they equal the row or do not exist.

use std::sync::Arc;

use shared_session::{Error, django::DjangoCachedDbStore, store::RedisStore};
use test_servers::{Redis, RedisKind};

use super::*;

const COPY: &str = ":1:django.contrib.sessions.cached_db5aw77rqsfrz1sx6dunju53m7q71z5n4s";
const PREFIX: &str = ":1:django.contrib.sessions.cached_db";

struct Site {
    url: String,
    redis: Redis,
}

impl Site {
    fn new() -> Self {
        Self { url: postgres(), redis: Redis::start(RedisKind::Old) }
    }

    async fn store(
        &self,
        mirror: impl Fn(&Bytes) -> Result<Bytes, Error> + Send + Sync + 'static,
    ) -> DjangoCachedDbStore {
        let rows = DjangoDbStore::connect(&self.url).await.unwrap();
        rows.check().await.unwrap();
        let copies = RedisStore::connect_with(&self.redis.url(), &crate::redis::patient()).await.unwrap();
        DjangoCachedDbStore::new(rows, copies, PREFIX, mirror)
    }

    fn copy(&self) -> String {
        self.redis.cli(&["GET", COPY])
    }

    fn plant_a_copy(&self) {
        assert_eq!(self.redis.cli(&["SET", COPY, "planted", "EX", "60"]), "OK");
    }

    fn rows(&self) -> String {
        Postgres::shared().sql(&self.url, "SELECT session_data FROM django_session")
    }
}

fn pickled(row: &Bytes) -> Result<Bytes, Error> {
    Ok([b"pickle of ", &row[..]].concat().into())
}

#[tokio::test]
async fn every_write_is_copied_with_its_lifetime_and_a_deletion_deletes_the_copy() {
    let site = Site::new();
    let store = site.store(pickled).await;
    assert!(store.create(KEY, "one".into(), MINUTE).await.unwrap());
    assert_eq!(site.copy(), "pickle of one");
    let ttl: u32 = site.redis.cli(&["PTTL", COPY]).parse().unwrap();
    assert!((1..=60_000).contains(&ttl));
    site.plant_a_copy();
    assert!(!store.create(KEY, "two".into(), MINUTE).await.unwrap());
    assert_eq!(
        store.replace(KEY, &seen("other"), "two".into(), MINUTE).await.unwrap(),
        Replaced::Conflict("one".into())
    );
    assert_eq!(site.copy(), "planted", "a write without a row writes no copy");
    assert_eq!(store.replace(KEY, &seen("one"), "two".into(), MINUTE * 60).await.unwrap(), Replaced::Stored);
    assert_eq!(site.copy(), "pickle of two");
    assert!(site.redis.cli(&["PTTL", COPY]).parse::<u32>().unwrap() > 60_000);
    assert_eq!(store.delete(KEY, Some(&seen("two"))).await.unwrap(), Deleted::Done);
    assert_eq!(site.copy(), "(nil)");
}

#[tokio::test]
async fn copies_under_another_prefix_are_named_before_anything_is_written() {
    let site = Site::new();
    let store = site.store(pickled).await;
    assert!(!store.check_copies().await.unwrap(), "an empty cache fits every configuration");
    site.redis.cli(&["SET", "shop:7:django.contrib.sessions.cached_db5aw77rqsfrz1sx6dunju53m7q71z5n4s", "x"]);
    let error = store.check_copies().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(r#""shop:7:""#), "{error}");
    site.plant_a_copy();
    assert!(store.check_copies().await.unwrap());
}

#[tokio::test]
async fn a_purge_removes_the_rows() {
    let site = Site::new();
    let store = site.store(pickled).await;
    Postgres::shared().sql(&site.url, "INSERT INTO django_session VALUES ('dead', 'x', '2020-01-01')");
    assert_eq!(store.purge_expired().await.unwrap(), 1);
    assert_eq!(site.rows(), "");
}

#[tokio::test]
async fn the_row_is_read_and_never_the_copy() {
    let site = Site::new();
    let store = site.store(pickled).await;
    assert!(store.create(KEY, "row".into(), MINUTE).await.unwrap());
    site.plant_a_copy();
    assert_eq!(store.load(KEY).await.unwrap().as_deref(), Some(&b"row"[..]));
    assert_eq!(site.copy(), "planted");
}

#[tokio::test]
async fn a_copy_without_a_row_does_not_survive_a_load() {
    let site = Site::new();
    let store = site.store(pickled).await;
    site.plant_a_copy();
    assert_eq!(store.load(KEY).await.unwrap(), None);
    assert_eq!(site.copy(), "(nil)");
}

#[tokio::test]
async fn a_row_that_cannot_be_copied_has_no_copy() {
    let site = Site::new();
    let store = site.store(|_| Err(ErrorKind::Value.into())).await;
    site.plant_a_copy();
    assert!(store.create(KEY, "row".into(), MINUTE).await.unwrap());
    assert_eq!((site.rows().as_str(), site.copy().as_str()), ("row", "(nil)"));
}

#[tokio::test]
async fn a_cache_without_memory_loses_the_old_copy_and_fails_no_write() {
    let site = Site::new();
    let store = site.store(pickled).await;
    assert!(store.create(KEY, "one".into(), MINUTE).await.unwrap());
    site.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(store.replace(KEY, &seen("one"), "two".into(), MINUTE).await.unwrap(), Replaced::Stored);
    assert_eq!((site.rows().as_str(), site.copy().as_str()), ("two", "(nil)"));
    assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
}

#[tokio::test]
async fn a_logout_fails_and_changes_nothing_while_the_cache_is_down_but_a_write_succeeds() {
    let site = Site::new();
    let store = site.store(pickled).await;
    site.redis.kill();
    assert!(store.create(KEY, "one".into(), MINUTE).await.unwrap());
    assert_eq!(store.replace(KEY, &seen("one"), "two".into(), MINUTE).await.unwrap(), Replaced::Stored);
    assert_eq!(store.load("absent").await.unwrap(), None);
    assert_eq!(store.delete(KEY, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(site.rows(), "two");
}

#[tokio::test]
async fn a_write_whose_row_may_have_been_written_leaves_no_copy() {
    let site = Site::new();
    let store = site.store(pickled).await;
    assert!(store.create(KEY, "one".into(), MINUTE).await.unwrap());
    let pool = PgPool::connect(&site.url).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM django_session FOR UPDATE").execute(&mut *lock).await.unwrap();
    let rows = DjangoDbStore::connect(&site.url).await.unwrap().with_timeout(Duration::from_millis(300));
    let copies = RedisStore::connect_with(&site.redis.url(), &crate::redis::patient()).await.unwrap();
    let store = DjangoCachedDbStore::new(rows, copies, PREFIX, pickled);
    let error = store.replace(KEY, &seen("one"), "two".into(), MINUTE).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
    assert_eq!(site.copy(), "(nil)");
}

/// A write's mirror runs after its row and before its copy is written; the tests run other operations at that point.
async fn overtaken_by(sql: &'static str) -> String {
    let site = Arc::new(Site::new());
    let weak = Arc::downgrade(&site);
    let store = site
        .store(move |row| {
            Postgres::shared().sql(&weak.upgrade().unwrap().url, sql);
            pickled(row)
        })
        .await;
    site.plant_a_copy();
    assert!(store.create(KEY, "mine".into(), MINUTE).await.unwrap());
    site.copy()
}

#[tokio::test]
async fn a_write_that_a_logout_overtook_leaves_no_copy() {
    assert_eq!(overtaken_by("DELETE FROM django_session").await, "(nil)");
}

#[tokio::test]
async fn a_write_that_another_overtook_leaves_no_copy() {
    assert_eq!(overtaken_by("UPDATE django_session SET session_data = 'theirs'").await, "(nil)");
}

#[tokio::test]
async fn a_write_that_nobody_overtook_leaves_its_copy() {
    assert_eq!(overtaken_by("SELECT 1").await, "pickle of mine");
}

/// Runs a deletion that has to wait for its row, and runs `meanwhile` before it gets the row.
async fn while_deleting(site: &Site, meanwhile: impl FnOnce()) -> Result<Deleted, Error> {
    let store = site.store(pickled).await;
    assert!(store.create(KEY, "row".into(), MINUTE).await.unwrap());
    let pool = PgPool::connect(&site.url).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM django_session FOR UPDATE").execute(&mut *lock).await.unwrap();
    let deleting = tokio::spawn(async move { store.delete(KEY, None).await });
    let waiters = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
        AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(waiters).fetch_one(&pool).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(site.copy(), "(nil)", "the first deletion of the copy");
    meanwhile();
    lock.rollback().await.unwrap();
    deleting.await.unwrap()
}

#[tokio::test]
async fn a_copy_that_django_makes_anew_during_a_logout_is_deleted_too() {
    let site = Site::new();
    assert_eq!(while_deleting(&site, || site.plant_a_copy()).await.unwrap(), Deleted::Done);
    assert_eq!(site.copy(), "(nil)");
}

#[tokio::test]
async fn a_logout_whose_last_look_at_the_cache_fails_is_not_acknowledged() {
    let site = Site::new();
    let error = while_deleting(&site, || site.redis.kill()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
}
