//! A real PgBouncer, which runs each transaction on any free server connection.

use futures_util::{StreamExt as _, stream};
use shared_session::{
    ErrorKind,
    django::{DjangoDbStore, TimeZone},
    store::{Replaced, Seen, StoreTime},
    testing::store_contract,
    users::{CreateUserError, UserTable, Users},
};
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_servers::{PgBouncer, Postgres};

use super::*;

/// Simultaneous requests: more than there are connections, and few enough to get one in time on a busy machine.
const AT_ONCE: usize = 40;

fn start() -> (Postgres, PgBouncer) {
    let server = Postgres::start();
    let pooler = PgBouncer::in_front_of(&server, &[]);
    (server, pooler)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_behind_a_pooler() {
    let (server, pooler) = start();
    let store = SqlStore::connect(&pooler.url("postgres")).await.unwrap();
    store.migrate().await.unwrap();
    store_contract(store).await;

    server.sql("postgres", crate::django_stores::POSTGRES_DDL);
    let store = DjangoDbStore::connect(&pooler.url("postgres")).await.unwrap();
    store.check().await.unwrap();
    let key = "5aw77rqsfrz1sx6dunju53m7q71z5n4s";
    assert!(store.create(key, "one".into(), MINUTE).await.unwrap());
    let seen = Seen::new("one".into(), 0..3);
    assert_eq!(store.replace(key, &seen, "two".into(), MINUTE).await.unwrap(), Replaced::Stored);
    assert_eq!(store.replace(key, &seen, "three".into(), MINUTE).await.unwrap(), Replaced::Conflict("two".into()));
    assert_eq!(store.index_list("").await.unwrap(), [key]);
}

/// If statements had names, or were parsed in one transaction and run in another, a statement could run in place of
/// another with the same parameters.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn services_that_share_a_few_server_connections_do_not_disturb_each_other() {
    let (server, pooler) = start();
    let url = pooler.url("postgres");
    let (first, second) = (sessions(&url).await, SqlStore::connect(&url).await.unwrap());
    let ((users, ann), others) = (users(&url).await, SqlUsers::connect(&url).await.unwrap());
    let work = (0..400).map(|turn| {
        let store = if turn % 2 == 0 { &first } else { &second };
        let (users, others, ann) = (&users, &others, &ann);
        async move {
            let key = format!("key-{turn}");
            assert!(store.create(&key, "value".into(), MINUTE).await.unwrap());
            assert_eq!(store.load(&key).await.unwrap().as_deref(), Some(&b"value"[..]));
            assert_eq!(store.load(&format!("none-{turn}")).await.unwrap(), None);
            store.index_add("index", &key, StoreTime(u64::MAX >> 1)).await.unwrap();
            assert_eq!(users.find_by_name("ann").await.unwrap().unwrap().id, ann.id);
            assert_eq!(others.find(&ann.id).await.unwrap().unwrap().username, "ann");
            assert!(others.find_by_name(&key).await.unwrap().is_none());
            assert!(users.record_login(&ann.id).await.unwrap());
            assert!(users.raise_epoch(&ann.id).await.unwrap() > Some(0));
            assert!(users.groups(ann).await.unwrap().is_empty());
            if turn % 4 == 0 {
                let _ = store.delete(&key, None).await.unwrap();
            }
        }
    });
    stream::iter(work).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    assert_eq!(first.index_list("index").await.unwrap().len(), 400);
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 400);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM shared_session"), "301");
    // No lock and no open transaction is left behind.
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(server.sql("postgres", left), "0");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
    while server.sql("postgres", open) != "0" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_is_left_on_a_server_connection() {
    let server = Postgres::start();
    let pooler = PgBouncer::in_front_of(&server, &["default_pool_size=1"]);
    let url = pooler.url("postgres");
    let store = sessions(&url).await;
    let (users, ann) = users(&url).await;
    open_all(&store).await;
    assert!(users.find(&ann.id).await.unwrap().is_some());
    let pool = PgPoolOptions::new().connect_with(url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None));
    let prepared = "SELECT count(*)::text FROM pg_prepared_statements WHERE name <> ''";
    let left: String = sqlx::Row::get(&sqlx::raw_sql(prepared).fetch_one(&pool.await.unwrap()).await.unwrap(), 0);
    assert_eq!(left, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn poolers_that_ignore_parameters_or_keep_sessions_are_used_as_well() {
    let server = Postgres::start();
    for settings in [
        &["ignore_startup_parameters=extra_float_digits,options"][..],
        &["ignore_startup_parameters=extra_float_digits"],
        &["pool_mode=session", "default_pool_size=40"],
    ] {
        let pooler = PgBouncer::in_front_of(&server, settings);
        let url = pooler.url(&server.create_database());
        let store = sessions(&url).await;
        let (users, ann) = users(&url).await;
        for _ in 0..20 {
            assert!(store.load("key").await.unwrap().is_some(), "{settings:?}");
            assert!(users.find(&ann.id).await.unwrap().is_some(), "{settings:?}");
        }
    }
}

/// The driver looks up a site's own types, which must not come between a statement and its parameters.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_a_django_site_are_read_and_written_behind_a_pooler() {
    let (server, pooler) = start();
    let url = pooler.url("postgres");
    let (users, _) = users(&url).await;
    server.sql(
        "postgres",
        "CREATE TYPE team AS ENUM ('writers', 'readers');
         ALTER TABLE auth_group DROP name, ADD name team;
         CREATE DOMAIN address AS varchar(40) CHECK (VALUE <> '');
         CREATE TABLE accounts_user (uid uuid PRIMARY KEY DEFAULT gen_random_uuid(), password varchar(128) NOT NULL,
            mail address NOT NULL UNIQUE, handle varchar(8) NOT NULL UNIQUE, last_login timestamp, is_staff boolean);
         CREATE TABLE accounts_user_groups (id integer PRIMARY KEY, user_id uuid NOT NULL, group_id integer NOT NULL);
         CREATE TABLE accounts_user_user_permissions
            (id integer PRIMARY KEY, user_id uuid NOT NULL, permission_id integer NOT NULL);
         INSERT INTO auth_group (id, name) VALUES (1, 'writers')",
    );
    let table = UserTable::new("public.accounts_user").with_username_column("handle").with_email_column("mail");
    let users = users.with_django_tables(table).await.unwrap();
    let ann = users.create_user(NewUser::new("ann", "right").with_email("ann@mail.example")).await.unwrap();
    server.sql("postgres", "INSERT INTO accounts_user_groups SELECT 1, uid, 1 FROM accounts_user");
    for _ in 0..30 {
        let (same_name, same_address, long) = (
            NewUser::new("ann", "p").with_email("other@mail.example"),
            NewUser::new("bob", "p").with_email("ann@mail.example"),
            NewUser::new("someone-of-length", "p").with_email("other@mail.example"),
        );
        assert!(matches!(users.create_user(same_name).await, Err(CreateUserError::NameTaken)));
        assert!(matches!(users.create_user(same_address).await, Err(CreateUserError::EmailTaken)));
        assert!(matches!(users.create_user(long).await, Err(CreateUserError::InvalidName)));
        assert_eq!(users.verify("ann", "right").await.unwrap().unwrap().id, ann.id);
        assert_eq!(users.groups(&ann).await.unwrap().into_iter().collect::<Vec<_>>(), ["writers"]);
        assert!(users.permissions(&ann).await.unwrap().is_empty());
        assert!(users.record_login(&ann.id).await.unwrap() && users.set_staff(&ann.id, true).await.unwrap());
        assert_eq!((users.list("", 0, 9).await.unwrap().len(), users.count("ANN").await.unwrap()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn local_times_are_read_and_written_behind_a_pooler() {
    let (server, pooler) = start();
    server.sql("postgres", crate::django_stores::POSTGRES_DDL);
    server.sql("postgres", "ALTER TABLE django_session ALTER expire_date TYPE timestamp without time zone");
    let store = DjangoDbStore::connect(&pooler.url("postgres")).await.unwrap();
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Config);
    let store = store.with_time_zone(TimeZone::named("Asia/Kathmandu").unwrap()).await.unwrap();
    for turn in 0..30 {
        store.check().await.unwrap();
        let key = format!("key-{turn}");
        assert!(store.create(&key, "one".into(), MINUTE).await.unwrap());
        let seen = Seen::new("one".into(), 0..3);
        assert_eq!(store.replace(&key, &seen, "two".into(), MINUTE).await.unwrap(), Replaced::Stored);
        let left = store.expires(&key).await.unwrap().unwrap().since(store.time().await.unwrap());
        assert!((30..=60).contains(&left.as_secs()), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_the_callers_own_may_lead_to_a_pooler() {
    let (_server, pooler) = start();
    let url = pooler.url("postgres");
    let options = url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let (store, users) =
        (SqlStore::from_postgres(pool.clone()).behind_pooler(), SqlUsers::from_postgres(pool).behind_pooler());
    store.migrate().await.unwrap();
    users.migrate().await.unwrap();
    for loaded in join_all((0..200).map(|_| store.load("key"))).await {
        assert_eq!(loaded.unwrap(), None);
    }
    assert!(users.find("1").await.unwrap().is_none());
}

/// A write that failed before its commit may be retried; a commit without a reply may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_behind_a_pooler_is_not_noticed() {
    let (server, pooler) = start();
    let store = sessions(&pooler.url("postgres")).await;
    open_all(&store).await;
    server.restart();
    // A login that failed during the restart makes the pooler refuse everybody for a moment.
    let options = pooler.url("postgres").parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
    for _ in 0..100 {
        if options.connect().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for turn in 0..20 {
        assert!(store.load("key").await.unwrap().is_some());
        assert!(store.create(&format!("{turn}"), "value".into(), MINUTE).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_a_pooler_gives_its_own_reason() {
    let (_server, pooler) = start();
    let error = SqlStore::connect(&pooler.url("no_such_database")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = refusal(Err::<(), _>(error));
    assert!(text.contains("database"), "{text}");
    assert!(SqlUsers::connect(&pooler.url("postgres").replace("postgres@", "nobody@")).await.is_err());
}
