//! A real PgBouncer, which gives each transaction to whichever server connection is free.

use shared_session::{
    ErrorKind,
    store::{DjangoDbStore, Replaced, Seen, StoreTime},
    testing::store_contract,
    users::Users,
};
use sqlx::postgres::PgPoolOptions;
use test_servers::{PgBouncer, Postgres};

use super::*;

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

/// Of different statements with the same parameters one would be run for the other, if they had names or were parsed in
/// one transaction and run in another.
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
            assert!(users.raise_epoch(&ann.id).await.unwrap() > 0);
            assert!(users.groups(ann).await.unwrap().is_empty());
            if turn % 4 == 0 {
                let _ = store.delete(&key, None).await.unwrap();
            }
        }
    });
    join_all(work).await;
    assert_eq!(first.index_list("index").await.unwrap().len(), 400);
    assert_eq!(users.find(&ann.id).await.unwrap().unwrap().epoch, 400);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM shared_session"), "301");
    // Nothing was left behind: no lock, no open transaction.
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
    let pool = PgPoolOptions::new()
        .connect_with(url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().extra_float_digits(None));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_the_callers_own_may_lead_to_a_pooler() {
    let (_server, pooler) = start();
    let url = pooler.url("postgres");
    let options = url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().extra_float_digits(None);
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

/// What failed before its commit was not written, so it may be tried again; a commit without an answer may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_behind_a_pooler_is_not_noticed() {
    let (server, pooler) = start();
    let store = sessions(&pooler.url("postgres")).await;
    open_all(&store).await;
    server.restart();
    for turn in 0..20 {
        assert!(store.load("key").await.unwrap().is_some());
        assert!(store.create(&format!("{turn}"), "value".into(), MINUTE).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pooler_refuses_for_another_reason_is_told() {
    let (_server, pooler) = start();
    let error = SqlStore::connect(&pooler.url("no_such_database")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = refusal(Err::<(), _>(error));
    assert!(text.contains("database"), "{text}");
    assert!(SqlUsers::connect(&pooler.url("postgres").replace("postgres@", "nobody@")).await.is_err());
}
