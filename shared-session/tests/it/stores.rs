//! The store contract over every store that needs no Redis, and tests for SQL stores only.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a failed expectation must fail the test")]

use shared_session::{
    store::MemoryStore,
    testing::{FaultStore, SpyStore, store_contract},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract() {
    store_contract(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_test_stores_pass_everything_on() {
    store_contract(SpyStore::new(FaultStore::new(MemoryStore::new()))).await;
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql {
    use std::time::Duration;

    use shared_session::store::{Seen, SessionStore, SqlStore, StoreTime};

    pub(super) const TTL: Duration = Duration::from_secs(60);

    /// More expired rows than one statement purges.
    pub(super) async fn purging_removes_every_expired_row(store: &SqlStore) {
        for number in 0..1100 {
            assert!(store.create(&format!("dead {number}"), "value".into(), Duration::ZERO).await.unwrap());
        }
        store.index_add("index", "dead", StoreTime(1)).await.unwrap();
        let later = store.time().await.unwrap().after(TTL);
        store.index_add("index", "live", later).await.unwrap();
        assert!(store.create("live", "value".into(), TTL).await.unwrap());
        pass(store).await;
        assert_eq!(store.purge_expired().await.unwrap(), 1101);
        assert_eq!(store.purge_expired().await.unwrap(), 0);
        assert!(store.load("live").await.unwrap().is_some());
        assert_eq!(store.index_list("index").await.unwrap(), ["live"]);
    }

    /// Waits until the entries without a lifetime have expired.
    pub(super) async fn pass(store: &SqlStore) {
        let stored = store.time().await.unwrap();
        while store.time().await.unwrap() < stored.after(Duration::from_millis(5)) {}
    }

    /// Many processes connect and migrate at the same moment; all of them can work at once.
    pub(super) async fn many_start_at_once(url: &str) {
        let mut starts = tokio::task::JoinSet::new();
        for number in 0..20 {
            let url = url.to_owned();
            starts.spawn(async move {
                let store = SqlStore::connect(&url).await.expect("connect");
                store.migrate().await.expect("migrate");
                assert!(store.create(&format!("key {number}"), "value".into(), TTL).await.expect("create"));
                store
            });
        }
        let stores = starts.join_all().await;
        for number in 0..20 {
            assert!(stores[0].load(&format!("key {number}")).await.unwrap().is_some());
        }
        for store in stores {
            store.close().await;
        }
    }

    /// The value that every writer has seen, identified by all of it.
    pub(super) fn seen() -> Seen {
        Seen::new("old".into(), 0..3)
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::{
        path::PathBuf,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use shared_session::{
        ErrorKind,
        store::{Replaced, SessionStore, SqlStore},
        testing::store_contract,
    };
    use sqlx::{
        SqlitePool,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    };
    use tokio::time::timeout;

    use super::sql::{self, TTL, seen};

    /// A file that is deleted with the test.
    struct File(PathBuf);

    impl File {
        fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name = format!("stores-{}-{}.db", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
        }

        fn url(&self) -> String {
            format!("sqlite://{}", self.0.display())
        }

        async fn store(&self) -> SqlStore {
            let store = SqlStore::connect(&self.url()).await.unwrap();
            store.migrate().await.unwrap();
            store
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            for end in ["", "-wal", "-shm", "-go"] {
                let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_sqlite_file_keeps_the_contract() {
        store_contract(File::new().store().await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite_in_memory_keeps_the_contract() {
        store_contract(crate::backends::sqlite().await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn twenty_tasks_start_at_once_on_an_empty_file() {
        let file = File::new();
        sql::many_start_at_once(&file.url()).await;
    }

    /// SQLite itself does not wait here, regardless of the busy timeout.
    #[tokio::test]
    async fn the_switch_to_wal_waits_for_another_writer() {
        let file = File::new();
        let options = SqliteConnectOptions::new().filename(&file.0).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let writer = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let url = file.url();
        let connecting = tokio::spawn(async move { SqlStore::connect(&url).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        writer.rollback().await.unwrap();
        connecting.await.unwrap().unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&pool).await.unwrap();
        assert_eq!(mode, "wal");
    }

    const START: &str = "SHARED_SESSION_TEST_START";

    /// The work of each process in the next test: connect when the start file appears.
    #[tokio::test]
    async fn one_of_twenty_processes() {
        let Ok(path) = std::env::var(START) else { return };
        while !std::fs::exists(format!("{path}-go")).unwrap() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let store = SqlStore::connect(&format!("sqlite://{path}")).await.unwrap();
        store.migrate().await.unwrap();
        assert!(store.create(&format!("key {}", std::process::id()), "value".into(), TTL).await.unwrap());
    }

    #[tokio::test]
    async fn twenty_processes_start_at_once_on_an_empty_file() {
        let file = File::new();
        let path = file.0.display().to_string();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let (_crate, module) = module_path!().split_once("::").unwrap();
        command.args(["--exact", &format!("{module}::one_of_twenty_processes")]).env(START, &path);
        command.stdout(std::process::Stdio::piped());
        let processes: Vec<_> = (0..20).map(|_| command.spawn().unwrap()).collect();
        // Ideally all of them wait by now, but the test is correct in any case.
        std::thread::sleep(Duration::from_millis(300));
        std::fs::write(format!("{path}-go"), "").unwrap();
        for process in processes {
            let output = process.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        assert_eq!(file.store().await.scan("key ", None).await.unwrap().keys.len(), 20);
    }

    #[tokio::test]
    async fn purging_removes_every_expired_row() {
        let file = File::new();
        sql::purging_removes_every_expired_row(&file.store().await).await;
    }

    /// A store in memory, and how often its single connection has been used.
    async fn counted() -> (SqlitePool, SqlStore, Arc<AtomicU32>) {
        let uses = Arc::new(AtomicU32::new(0));
        let counter = uses.clone();
        let pool = SqlitePoolOptions::new().max_connections(1).before_acquire(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::ready(Ok(true)))
        });
        let pool = pool.connect("sqlite::memory:").await.unwrap();
        (pool.clone(), SqlStore::from_sqlite(pool), uses)
    }

    async fn until_it_is_purged(pool: &SqlitePool) {
        let rows = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM shared_session").fetch_one(pool);
        let purged = async {
            while rows().await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(TTL, purged).await.expect("it is never purged");
    }

    #[tokio::test]
    async fn the_purge_task_purges_when_it_starts() {
        let (pool, store, _) = counted().await;
        store.migrate().await.unwrap();
        assert!(store.create("dead", "value".into(), Duration::ZERO).await.unwrap());
        sql::pass(&store).await;
        let task = store.spawn_purge(Duration::from_secs(3600));
        until_it_is_purged(&pool).await;
        task.abort();
    }

    #[tokio::test]
    async fn the_purge_task_purges_again_whatever_failed_until_the_pool_is_closed() {
        let (pool, store, uses) = counted().await;
        let task = store.spawn_purge(Duration::from_millis(5));
        // Without a table each purge fails.
        while uses.load(Ordering::SeqCst) < 3 {
            assert!(!task.is_finished(), "a failure ends it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        store.migrate().await.unwrap();
        for _ in 0..3 {
            assert!(store.create("dead", "value".into(), Duration::ZERO).await.unwrap());
            until_it_is_purged(&pool).await;
        }
        store.close().await;
        timeout(TTL, task).await.expect("it goes on").unwrap();
    }

    #[tokio::test]
    async fn a_file_that_another_writer_holds_is_unavailable_and_nothing_was_written() {
        let file = File::new();
        file.store().await.close().await;
        let options = SqliteConnectOptions::new().filename(&file.0).busy_timeout(Duration::from_millis(50));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let store = SqlStore::from_sqlite(pool.clone());
        assert!(store.create("key", "old".into(), TTL).await.unwrap());

        let other = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let error = store.replace("key", &seen(), "new".into(), TTL).await.unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
        assert!(store.load("key").await.unwrap().is_some(), "readers do not wait for a writer");
        other.rollback().await.unwrap();
        assert_eq!(store.replace("key", &seen(), "new".into(), TTL).await.unwrap(), Replaced::Stored);
    }

    #[tokio::test]
    async fn a_pool_without_a_free_connection_is_unavailable_and_nothing_was_sent() {
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(50));
        let pool = pool.connect("sqlite::memory:").await.unwrap();
        let store = SqlStore::from_sqlite(pool.clone());
        store.migrate().await.unwrap();
        let _held = pool.acquire().await.unwrap();
        let error = store.create("key", "value".into(), TTL).await.unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
    }

    #[tokio::test]
    async fn a_url_that_is_not_understood_is_not_repeated() {
        for url in ["mysql://user:secret@host/db", "sqlite://file?mode=secret", "secret"] {
            let error = SqlStore::connect(url).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use shared_session::{
        ErrorKind,
        store::{Replaced, SessionStore, SqlStore, StoreTime},
        testing::store_contract,
    };
    use sqlx::{PgPool, postgres::PgConnectOptions};
    use test_servers::Postgres;

    use super::sql::{self, TTL, seen};

    async fn store(url: &str) -> SqlStore {
        let store = SqlStore::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// A transaction that has locked the row `key`.
    async fn lock(pool: &PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut transaction = pool.begin().await.unwrap();
        let lock = sqlx::query("UPDATE shared_session SET value = value WHERE session_key = 'key'");
        assert_eq!(lock.execute(&mut *transaction).await.unwrap().rows_affected(), 1);
        transaction
    }

    /// Waits until a transaction waits for a row.
    async fn wait_for_a_waiter(pool: &PgPool) {
        let waiters = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
            AND datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waiters).fetch_one(pool).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn postgres_keeps_the_contract() {
        store_contract(store(&Postgres::shared().create_database()).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn twenty_start_at_once_on_an_empty_database() {
        sql::many_start_at_once(&Postgres::shared().create_database()).await;
    }

    #[tokio::test]
    async fn purging_removes_every_expired_row() {
        sql::purging_removes_every_expired_row(&store(&Postgres::shared().create_database()).await).await;
    }

    /// Purging does not wait for a writer that replaces an expired row, and the replaced row stays.
    #[tokio::test]
    async fn a_purge_passes_rows_that_another_holds() {
        let url = Postgres::shared().create_database();
        let (pool, store) = (PgPool::connect(&url).await.unwrap(), store(&url).await);
        for key in ["key", "other"] {
            assert!(store.create(key, "value".into(), Duration::ZERO).await.unwrap());
            store.index_add("index", key, StoreTime(1)).await.unwrap();
        }
        sql::pass(&store).await;
        let mut other = pool.begin().await.unwrap();
        for taking_over in [
            "UPDATE shared_session SET expires_at = expires_at + 60000 WHERE session_key = 'key'",
            "UPDATE shared_session_index SET deadline = 10000000000000 WHERE member = 'key'",
        ] {
            assert_eq!(sqlx::query(taking_over).execute(&mut *other).await.unwrap().rows_affected(), 1);
        }
        assert_eq!(store.purge_expired().await.unwrap(), 2);
        other.commit().await.unwrap();
        assert_eq!(store.purge_expired().await.unwrap(), 0);
        assert!(store.load("key").await.unwrap().is_some());
        assert_eq!(store.index_list("index").await.unwrap(), ["key"]);
    }

    #[tokio::test]
    async fn a_service_that_may_not_create_tables_uses_those_that_exist() {
        let server = Postgres::shared();
        let url = server.create_database();
        store(&url).await;
        let role = format!("limited_{}", url.rsplit('_').next().unwrap());
        server.sql(&url, &format!("CREATE ROLE {role} LOGIN"));
        server.sql(&url, &format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"));
        let limited = store(&url.replace("postgres@", &format!("{role}@"))).await;
        assert!(limited.create("key", "value".into(), TTL).await.unwrap());
    }

    #[tokio::test]
    async fn a_write_that_takes_too_long_is_undecided() {
        let url = Postgres::shared().create_database();
        let pool = PgPool::connect(&url).await.unwrap();
        let store = store(&url).await;
        assert!(store.create("key", "old".into(), TTL).await.unwrap());
        let lock = lock(&pool).await;
        let hasty = store.clone().with_timeout(Duration::from_millis(300));
        let error = hasty.replace("key", &seen(), "new".into(), TTL).await.unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
        lock.rollback().await.unwrap();
        assert!(store.load("key").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_serialization_failure_is_unavailable_and_nothing_was_written() {
        let url = Postgres::shared().create_database();
        let options: PgConnectOptions = url.parse().unwrap();
        let pool =
            PgPool::connect_with(options.options([("default_transaction_isolation", "serializable")])).await.unwrap();
        let store = SqlStore::from_postgres(pool.clone());
        store.migrate().await.unwrap();
        assert!(store.create("key", "old".into(), TTL).await.unwrap());

        let lock = lock(&pool).await;
        let write = tokio::spawn({
            let store = store.clone();
            async move { store.replace("key", &seen(), "new".into(), TTL).await }
        });
        wait_for_a_waiter(&pool).await;
        lock.commit().await.unwrap();
        let error = write.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, false));
        assert_eq!(store.replace("key", &seen(), "new".into(), TTL).await.unwrap(), Replaced::Stored);
    }

    #[tokio::test]
    async fn errors_quote_no_key_and_no_value() {
        let url = Postgres::shared().create_database();
        let store = store(&url).await;
        // The server's own message quotes the whole row.
        Postgres::shared().sql(&url, "ALTER TABLE shared_session ADD CHECK (session_key NOT LIKE 'tender%')");
        let error = store.create("tender-key", "tender-value".into(), TTL).await.unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Database, false));
        let source = std::error::Error::source(&error).unwrap();
        let text = format!("{error} {error:?} {error:#?} {source} {source:?}");
        assert!(text.contains("check constraint"), "{text}");
        assert!(!text.contains("tender") && !text.contains("74656e646572"), "{text}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_dies_is_unavailable_until_it_is_back_and_a_write_under_way_is_undecided() {
        let server = Postgres::start();
        let pool = PgPool::connect(&server.url()).await.unwrap();
        let store = store(&server.url()).await;
        assert!(store.create("key", "old".into(), TTL).await.unwrap());
        let _lock = lock(&pool).await;
        let write = tokio::spawn({
            let store = store.clone();
            async move { store.replace("key", &seen(), "new".into(), TTL).await }
        });
        wait_for_a_waiter(&pool).await;
        server.kill();
        let error = write.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
        assert_eq!(store.load("key").await.unwrap_err().kind(), ErrorKind::Unavailable);

        server.restart();
        for _ in 0..100 {
            if let Ok(value) = store.load("key").await {
                assert_eq!(value.as_deref(), Some(&b"old"[..]));
                return;
            }
        }
        panic!("the store does not find the server again");
    }
}
