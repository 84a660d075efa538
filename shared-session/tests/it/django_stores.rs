//! Sessions in Django's own table, created by Django's own DDL.

mod cached;
mod contract;
mod local_time;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use shared_session::{
    ErrorKind,
    django::DjangoDbStore,
    store::{Deleted, Replaced, Seen, SessionStore},
};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool, sqlite::SqliteConnectOptions};
use test_servers::Postgres;

pub(super) const POSTGRES_DDL: &str = include_str!("../fixtures/django_session/postgres.sql");
const SQLITE_DDL: &str = include_str!("../fixtures/django_session/sqlite.sql");

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const KEY: &str = "5aw77rqsfrz1sx6dunju53m7q71z5n4s";

/// The version seen by a caller that loaded `text`.
pub(super) fn seen(text: &'static str) -> Seen {
    Seen::new(Bytes::from_static(text.as_bytes()), 0..text.len())
}

/// A file that Django migrated. It is deleted with the test.
struct File(PathBuf);

impl File {
    async fn new() -> Self {
        let file = Self::missing();
        sqlx::raw_sql(SQLITE_DDL).execute(&file.pool().await).await.unwrap();
        file
    }

    fn missing() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("django-{}-{}.db", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.0.display())
    }

    async fn pool(&self) -> SqlitePool {
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(&self.0).create_if_missing(true)).await.unwrap()
    }

    async fn store(&self) -> DjangoDbStore {
        DjangoDbStore::connect(&self.url()).await.unwrap()
    }

    async fn sql(&self, sql: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.pool().await).await.unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// The URL of a PostgreSQL database that Django migrated.
pub(super) fn postgres() -> String {
    let url = Postgres::shared().create_database();
    Postgres::shared().sql(&url, POSTGRES_DDL);
    url
}

/// The common part of both databases.
async fn keeps_text_until_its_time(store: DjangoDbStore) {
    store.check().await.unwrap();
    assert!(store.create(KEY, "one".into(), MINUTE).await.unwrap());
    assert!(!store.create(KEY, "two".into(), MINUTE).await.unwrap());
    assert!(store.create("other", "é".into(), MINUTE).await.unwrap());
    assert!(store.create("dead", "three".into(), Duration::ZERO).await.unwrap());
    let now = store.time().await.unwrap();
    while store.time().await.unwrap().since(now) < Duration::from_millis(5) {}

    // No index: every live session may belong to any user.
    store.index_add("user:1", KEY, now.after(MINUTE)).await.unwrap();
    store.index_remove("user:1", &["other".to_owned()]).await.unwrap();
    let mut listed = store.index_list("user:1").await.unwrap();
    listed.sort();
    assert_eq!(listed, [KEY, "other"]);

    assert_eq!(store.load("dead").await.unwrap(), None);
    assert_eq!(store.purge_expired().await.unwrap(), 1);
    assert_eq!(store.purge_expired().await.unwrap(), 0);

    // A write compares the whole text, byte by byte.
    let part = Seen::new("onE".into(), 0..2);
    assert_eq!(store.replace(KEY, &part, "two".into(), MINUTE).await.unwrap(), Replaced::Conflict("one".into()));
    assert_eq!(store.replace(KEY, &seen("one"), "two".into(), MINUTE).await.unwrap(), Replaced::Stored);
    let second_byte = Seen::new("é".into(), 1..2);
    assert_eq!(store.delete("other", Some(&second_byte)).await.unwrap(), Deleted::Done);

    let escapes = Seen::new(r"a\\b\143".into(), 1..9);
    assert!(store.create("other", escapes.whole().clone(), MINUTE).await.unwrap());
    assert_eq!(store.delete("other", Some(&escapes)).await.unwrap(), Deleted::Done);

    for not_text in [&b"\xff"[..], b"a\0b"] {
        let value = Bytes::from_static(not_text);
        let error = store.create("new", value.clone(), MINUTE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert_eq!(store.replace(KEY, &seen("two"), value.clone(), MINUTE).await.unwrap_err().kind(), ErrorKind::Value);
        let never_stored = Seen::new(value.clone(), 0..value.len());
        let replaced = store.replace(KEY, &never_stored, "new".into(), MINUTE).await.unwrap();
        assert_eq!(replaced, Replaced::Conflict("two".into()));
    }
    assert_eq!(store.index_list("").await.unwrap(), [KEY]);
}

#[tokio::test]
async fn sqlite_keeps_text_until_its_time() {
    keeps_text_until_its_time(File::new().await.store().await).await;
}

#[tokio::test]
async fn postgres_keeps_text_until_its_time() {
    keeps_text_until_its_time(DjangoDbStore::connect(&postgres()).await.unwrap()).await;
}

/// Purging does not wait for a writer that replaces an expired row, and the replaced row stays.
#[tokio::test]
async fn a_purge_passes_rows_that_another_holds() {
    let url = postgres();
    let rows = "INSERT INTO django_session VALUES ('held', 'x', '2020-01-01'), ('free', 'x', '2020-01-01')";
    Postgres::shared().sql(&url, rows);
    let store = DjangoDbStore::connect(&url).await.unwrap();
    let mut other = PgPool::connect(&url).await.unwrap().begin().await.unwrap();
    let taking_over = sqlx::query("UPDATE django_session SET expire_date = '9999-12-31' WHERE session_key = 'held'");
    assert_eq!(taking_over.execute(&mut *other).await.unwrap().rows_affected(), 1);
    assert_eq!(store.purge_expired().await.unwrap(), 1);
    other.commit().await.unwrap();
    assert_eq!(store.purge_expired().await.unwrap(), 0);
    assert!(store.load("held").await.unwrap().is_some());
}

#[tokio::test]
async fn more_live_sessions_than_a_page_are_all_listed() {
    let url = postgres();
    let rows =
        "INSERT INTO django_session SELECT 'key' || n, 'x', now() + interval '1 hour' FROM generate_series(1, 1100) n";
    Postgres::shared().sql(&url, rows);
    let store = DjangoDbStore::connect(&url).await.unwrap();
    assert_eq!(store.index_list("").await.unwrap().len(), 1100);
}

#[tokio::test]
async fn a_table_that_is_missing_stops_the_start_and_is_not_created() {
    let file = File::missing();
    let error = DjangoDbStore::connect(&file.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(!file.0.exists());

    drop(file.pool().await.acquire().await.unwrap());
    let url = Postgres::shared().create_database();
    let other_columns = Postgres::shared().create_database();
    Postgres::shared().sql(&other_columns, "CREATE TABLE django_session (session_key text)");
    for url in [file.url(), url, other_columns] {
        let store = DjangoDbStore::connect(&url).await.unwrap();
        let error = store.check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().ends_with("run manage.py migrate"), "{error}");
        assert_eq!(store.load(KEY).await.unwrap_err().kind(), ErrorKind::Database);
    }
}

#[tokio::test]
async fn times_are_read_as_django_writes_them_in_sqlite() {
    let file = File::new().await;
    for (key, expires) in [
        ("with a fraction", "9999-12-31 23:59:59.692890"),
        ("without", "9999-12-31 23:59:59"),
        ("expired", "2020-01-01 00:00:00.000001"),
        ("expired without", "2020-01-01 00:00:00"),
    ] {
        sqlx::query("INSERT INTO django_session VALUES ($1, 'text', $2)")
            .bind(key)
            .bind(expires)
            .execute(&file.pool().await)
            .await
            .unwrap();
    }
    let store = file.store().await;
    assert_eq!(store.index_list("").await.unwrap(), ["with a fraction", "without"]);
    assert_eq!(store.purge_expired().await.unwrap(), 2);
}

#[tokio::test]
async fn times_are_written_as_django_writes_them_in_sqlite() {
    let file = File::new().await;
    let store = file.store().await;
    let ttl = Duration::from_millis(1_209_600_250);
    let before = store.time().await.unwrap().after(ttl);
    assert!(store.create("created", "text".into(), ttl).await.unwrap());
    assert!(store.create("replaced", "text".into(), MINUTE).await.unwrap());
    assert_eq!(store.replace("replaced", &seen("text"), "new".into(), ttl).await.unwrap(), Replaced::Stored);
    let after = store.time().await.unwrap().after(ttl);
    for time in file.sql("SELECT expire_date FROM django_session WHERE typeof(expire_date) = 'text'").await {
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00.000000", "{time}");
        let millis = format!("SELECT CAST(CAST(round(unixepoch('{time}', 'subsec') * 1000) AS INTEGER) AS TEXT)");
        let millis: u64 = file.sql(&millis).await[0].parse().unwrap();
        assert!((before.0..=after.0).contains(&millis), "{time}");
    }
    assert_eq!(file.sql("SELECT session_key FROM django_session").await.len(), 2);
    assert_eq!(file.sql("PRAGMA journal_mode").await, ["delete"], "the file keeps its journal mode");
}

#[tokio::test]
async fn a_lifetime_becomes_the_expiry_date_in_postgres() {
    let url = postgres();
    let store = DjangoDbStore::connect(&url).await.unwrap();
    let ttl = Duration::from_millis(1_209_600_250);
    let before = store.time().await.unwrap().after(ttl);
    assert!(store.create("created", "text".into(), ttl).await.unwrap());
    assert!(store.create("replaced", "text".into(), MINUTE).await.unwrap());
    assert_eq!(store.replace("replaced", &seen("text"), "new".into(), ttl).await.unwrap(), Replaced::Stored);
    let after = store.time().await.unwrap().after(ttl);
    let millis = "SELECT (extract(epoch from expire_date) * 1000)::bigint FROM django_session";
    let millis = Postgres::shared().sql(&url, millis);
    assert_eq!(millis.lines().count(), 2);
    // Rounded, because the store's clock rounds too.
    assert!(millis.lines().all(|time| (before.0 - 1..=after.0 + 1).contains(&time.parse().unwrap())), "{millis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_unavailable_until_it_is_back_and_its_sessions_with_it() {
    let server = Postgres::start();
    server.sql("postgres", POSTGRES_DDL);
    let store = DjangoDbStore::connect(&server.url()).await.unwrap();
    assert!(store.create(KEY, "text".into(), MINUTE).await.unwrap());
    server.kill();
    assert_eq!(store.load(KEY).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let error = store.delete(KEY, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains(KEY));
    server.restart();
    for _ in 0..100 {
        if let Ok(value) = store.load(KEY).await {
            assert_eq!(value.as_deref(), Some(&b"text"[..]));
            return;
        }
    }
    panic!("the store does not find the server again");
}

#[tokio::test]
async fn a_key_that_is_no_session_key_is_refused_and_not_quoted() {
    let store = DjangoDbStore::connect(&postgres()).await.unwrap();
    let long = "tender".repeat(7);
    assert_eq!(store.load(&long).await.unwrap(), None);
    let error = store.create(&long, "text".into(), MINUTE).await.unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Database, false));
    assert!(!format!("{error:?}").contains("tender"));
}
