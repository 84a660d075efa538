//! Migrations, restarts, and resets of the server's sessions, under pools that stay open.

use shared_session::{
    ErrorKind,
    django::DjangoDbStore,
    store::{Deleted, Replaced, Seen},
    users::{CreateUserError, ManageUsers, Users},
};
use sqlx::{PgPool, SqlitePool, postgres::PgPoolOptions};
use test_servers::Postgres;

use super::*;

fn database() -> String {
    Postgres::shared().create_database()
}

/// Every statement on users, each with its result.
async fn use_users(users: &SqlUsers, ann: &User) {
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().username, "ann");
    assert_eq!(users.find_by_name("ann").await.unwrap().unwrap().id, ann.id);
    assert_eq!(users.list("ann", 0, 10).await.unwrap().len(), 1);
    assert_eq!(users.list("", 0, 10).await.unwrap().len(), 1);
    assert_eq!((users.count("").await.unwrap(), users.count("ann").await.unwrap()), (1, 1));
    let taken = users.create_user(NewUser::new("ann", "other")).await;
    assert!(matches!(taken, Err(CreateUserError::NameTaken)), "{taken:?}");
    assert!(users.groups(ann).await.unwrap().is_empty());
    assert!(users.permissions(ann).await.unwrap().is_empty());
    assert!(users.set_staff(&ann.id, true).await.unwrap());
    assert!(users.record_login(&ann.id).await.unwrap());
    assert!(users.raise_epoch(&ann.id).await.unwrap() > Some(0));
    assert!(users.set_password(&ann.id, "next").await.unwrap().is_some());
}

/// Every statement on sessions, each with its result.
async fn use_sessions(store: &SqlStore) {
    assert_eq!(store.load("key").await.unwrap().as_deref(), Some(&b"value"[..]));
    assert!(!store.create("key", "other".into(), MINUTE).await.unwrap());
    let (seen, other) = (Seen::new("value".into(), 0..5), Seen::new("other".into(), 0..5));
    assert_eq!(store.replace("key", &seen, "value".into(), MINUTE).await.unwrap(), Replaced::Stored);
    assert_eq!(store.replace("key", &other, "x".into(), MINUTE).await.unwrap(), Replaced::Conflict("value".into()));
    assert_eq!(store.delete("key", Some(&other)).await.unwrap(), Deleted::Conflict("value".into()));
    let deadline = store.time().await.unwrap();
    store.index_add("index", "member", deadline).await.unwrap();
    store.index_list("index").await.unwrap();
    store.index_remove("index", &["member".to_owned()]).await.unwrap();
    assert_eq!(store.scan("k", None).await.unwrap().keys, ["key"]);
    store.purge_expired().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_of_the_user_table_is_not_noticed() {
    let url = database();
    let (users, ann) = users(&url).await;
    for change in [
        "ALTER TABLE auth_user ALTER username TYPE text",
        "ALTER TABLE auth_user ALTER username TYPE varchar(200), ALTER email TYPE text, ALTER password TYPE text",
        "ALTER TABLE auth_user ALTER id TYPE bigint",
        "ALTER TABLE auth_user ADD COLUMN phone text NOT NULL DEFAULT ''",
        "ALTER TABLE auth_user DROP COLUMN phone",
        // The columns are in another order.
        "ALTER TABLE auth_user RENAME email TO old; ALTER TABLE auth_user ADD COLUMN email varchar(254) NOT NULL DEFAULT \
         ''; ALTER TABLE auth_user DROP COLUMN old",
        "ALTER TABLE shared_session_epoch ALTER epoch TYPE bigint, ALTER user_id TYPE text",
        "ALTER TABLE auth_group ALTER name TYPE text",
        "CREATE INDEX ON auth_user (lower(username))",
        "ALTER TABLE auth_user RENAME TO gone; CREATE TABLE auth_user (LIKE gone INCLUDING ALL); \
         INSERT INTO auth_user OVERRIDING SYSTEM VALUE SELECT * FROM gone",
    ] {
        // Every connection has already prepared the statements.
        join_all((0..30).map(|_| users.find(&ann.id))).await;
        join_all((0..30).map(|_| users.find_by_name("ann"))).await;
        use_users(&users, &ann).await;
        Postgres::shared().sql(&url, change);
        for found in join_all((0..30).map(|_| users.find(&ann.id))).await {
            assert_eq!(found.unwrap().unwrap().username, "ann", "{change}");
        }
        for found in join_all((0..30).map(|_| users.find_by_name("ann"))).await {
            assert_eq!(found.unwrap().unwrap().id, ann.id, "{change}");
        }
        use_users(&users, &ann).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_of_the_session_tables_is_not_noticed() {
    let url = database();
    let store = sessions(&url).await;
    for change in [
        r#"ALTER TABLE shared_session ALTER session_key TYPE varchar(200) COLLATE "C""#,
        r#"ALTER TABLE shared_session_index ALTER member TYPE varchar(200) COLLATE "C""#,
        "ALTER TABLE shared_session ADD COLUMN note text",
        "ALTER TABLE shared_session DROP COLUMN note",
    ] {
        open_all(&store).await;
        use_sessions(&store).await;
        Postgres::shared().sql(&url, change);
        open_all(&store).await;
        use_sessions(&store).await;
    }

    Postgres::shared().sql(&url, crate::django_stores::POSTGRES_DDL);
    let django = DjangoDbStore::connect(&url).await.unwrap();
    let key = "5aw77rqsfrz1sx6dunju53m7q71z5n4s";
    assert!(django.create(key, "text".into(), MINUTE).await.unwrap());
    for change in [
        "ALTER TABLE django_session ALTER session_data TYPE varchar(9000)",
        "ALTER TABLE django_session ALTER session_key TYPE varchar(64)",
    ] {
        join_all((0..30).map(|_| django.load(key))).await;
        assert_eq!(django.index_list("").await.unwrap(), [key]);
        Postgres::shared().sql(&url, change);
        for loaded in join_all((0..30).map(|_| django.load(key))).await {
            assert!(loaded.unwrap().is_some(), "{change}");
        }
        assert_eq!(django.index_list("").await.unwrap(), [key]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_the_server_has_dropped_are_prepared_again() {
    let url = database();
    drop((sessions(&url).await, users(&url).await));
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let (store, users) = (SqlStore::from_postgres(pool.clone()), SqlUsers::from_postgres(pool.clone()));
    let ann = users.find_by_name("ann").await.unwrap().unwrap();
    for reset in ["DISCARD ALL", "DEALLOCATE ALL"] {
        for turn in 0..2 {
            use_sessions(&store).await;
            use_users(&users, &ann).await;
            sqlx::raw_sql(reset).execute(&pool).await.unwrap();
            // Each statement is once the first.
            match turn {
                0 => use_users(&users, &ann).await,
                _ => use_sessions(&store).await,
            }
            sqlx::raw_sql(reset).execute(&pool).await.unwrap();
            assert!(users.record_login(&ann.id).await.unwrap());
        }
    }
}

/// A trigger that fails as a kept statement may, and fails again when the statement is prepared again.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_stays_stale_is_unavailable_and_a_missing_feature_is_an_error_of_the_database() {
    let url = database();
    drop(sessions(&url).await);
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let store = SqlStore::from_postgres(pool.clone());
    let setup = "CREATE TABLE t (c varchar(9)); PREPARE stale AS SELECT c FROM t; ALTER TABLE t ALTER c TYPE text; \
        CREATE FUNCTION run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE NEW.session_key; RETURN NEW; END $$; \
        CREATE TRIGGER run BEFORE INSERT ON shared_session FOR EACH ROW EXECUTE FUNCTION run()";
    sqlx::raw_sql(setup).execute(&pool).await.unwrap();
    assert!(store.create("SELECT c FROM t", "value".into(), MINUTE).await.unwrap());
    // Both have the code 0A000.
    for (statement, kind, text) in [
        ("EXECUTE stale", ErrorKind::Unavailable, "cached plan must not change result type"),
        ("SELECT count(*) FROM t FOR UPDATE", ErrorKind::Database, "FOR UPDATE is not allowed"),
    ] {
        let error = store.create(statement, "value".into(), MINUTE).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{statement}");
        assert!(refusal::<()>(Err(error)).contains(text), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_restart_has_broken_are_replaced_before_anybody_notices() {
    let server = Postgres::start();
    let store = sessions(&server.url()).await;
    let (users, ann) = users(&server.url()).await;
    for turn in 0..3 {
        open_all(&store).await;
        join_all((0..30).map(|_| users.find(&ann.id))).await;
        match turn {
            0 => {
                server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
            }
            _ => server.restart(),
        }
        // The first use of each statement, by reads and by writes.
        for at in 0..15 {
            assert!(store.create(&format!("{turn}-{at}"), "value".into(), MINUTE).await.unwrap());
            assert!(users.record_login(&ann.id).await.unwrap());
        }
        open_all(&store).await;
        server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
        for _ in 0..15 {
            assert!(store.load("key").await.unwrap().is_some());
            assert!(users.find(&ann.id).await.unwrap().is_some());
        }
    }
}

/// A write with an unknown outcome is not repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_breaks_under_way_is_undecided_and_not_repeated() {
    let server = Postgres::start();
    let store = sessions(&server.url()).await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("UPDATE shared_session SET value = value").execute(&mut *lock).await.unwrap();
    let write = tokio::spawn({
        let store = store.clone();
        async move { store.delete("key", None).await }
    });
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let pid = loop {
        let pid = server.sql("postgres", waits);
        if !pid.is_empty() {
            break pid;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    server.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
    let error = write.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
    lock.rollback().await.unwrap();
    assert!(store.load("key").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_of_a_sqlite_file_is_not_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/file.sqlite3?mode=rwc", directory.path().display());
    let ((users, ann), store) = (users(&url).await, sessions(&url).await);
    let other = SqlitePool::connect(&url).await.unwrap();
    sqlx::raw_sql(include_str!("../../fixtures/django_session/sqlite.sql")).execute(&other).await.unwrap();
    let django = DjangoDbStore::connect(&url).await.unwrap();
    assert!(django.create("key", "text".into(), MINUTE).await.unwrap());
    for change in [
        "ALTER TABLE auth_user ADD COLUMN phone text NOT NULL DEFAULT ''",
        "ALTER TABLE auth_user DROP COLUMN phone",
        "ALTER TABLE shared_session ADD COLUMN note TEXT",
        "ALTER TABLE shared_session DROP COLUMN note",
        "ALTER TABLE django_session ADD COLUMN note text",
        "CREATE INDEX by_mail ON auth_user (email)",
        // The statements with which Django alters a column.
        "PRAGMA legacy_alter_table = ON; BEGIN; CREATE TABLE new__auth_user (date_joined datetime NOT NULL, id integer \
         PRIMARY KEY AUTOINCREMENT, password text NOT NULL, last_login datetime, is_superuser bool NOT NULL, username \
         text NOT NULL UNIQUE, last_name text NOT NULL, email text NOT NULL, is_staff bool NOT NULL, is_active bool NOT \
         NULL, first_name text NOT NULL); INSERT INTO new__auth_user SELECT date_joined, id, password, last_login, \
         is_superuser, username, last_name, email, is_staff, is_active, first_name FROM auth_user; DROP TABLE auth_user; \
         ALTER TABLE new__auth_user RENAME TO auth_user; COMMIT",
        "VACUUM",
    ] {
        open_all(&store).await;
        join_all((0..30).map(|_| users.find(&ann.id))).await;
        use_users(&users, &ann).await;
        use_sessions(&store).await;
        assert!(django.load("key").await.unwrap().is_some());
        sqlx::raw_sql(change).execute(&other).await.unwrap();
        for found in join_all((0..30).map(|_| users.find(&ann.id))).await {
            assert_eq!(found.unwrap().unwrap().username, "ann", "{change}");
        }
        open_all(&store).await;
        use_users(&users, &ann).await;
        use_sessions(&store).await;
        assert!(django.load("key").await.unwrap().is_some(), "{change}");
    }
}
