//! Rows of a site that stores local times (`USE_TZ = False`).

use shared_session::{
    Profile, SecretKeys, SessionManager,
    django::{Django, TimeZone},
    store::StoreTime,
};
use sqlx::postgres::PgPoolOptions;

use super::*;

const ZONES: [&str; 5] = ["America/New_York", "Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "UTC"];

fn zone(name: &str) -> TimeZone {
    TimeZone::named(name).unwrap()
}

/// The local time of the zone in `minutes`, according to PostgreSQL: `2026-11-29 12:00:00.123456`.
fn shown(zone: &str, minutes: i32) -> String {
    let sql = format!(
        "SELECT to_char((now() + interval '{minutes} minutes') AT TIME ZONE '{zone}', 'YYYY-MM-DD HH24:MI:SS.US')"
    );
    Postgres::shared().sql("postgres", &sql).trim().to_owned()
}

/// A table as in Django, except for the type of one column.
fn postgres_without_offsets() -> String {
    let url = postgres();
    Postgres::shared().sql(&url, "ALTER TABLE django_session ALTER expire_date TYPE timestamp without time zone");
    url
}

/// Django's rows that end in a minute and ended a minute ago, and one of ours, which Django must be able to read.
async fn shares_rows_with_django(name: &str, store: DjangoDbStore, sql: impl AsyncFn(String) -> String) {
    store.check().await.unwrap();
    for (key, end) in [("live", shown(name, 1)), ("ended", shown(name, -1))] {
        sql(format!("INSERT INTO django_session VALUES ('{key}', 'text', '{end}')")).await;
    }
    assert_eq!(store.load("ended").await.unwrap(), None, "{name}");
    assert_eq!(store.load("live").await.unwrap().as_deref(), Some(&b"text"[..]), "{name}");
    assert_eq!(store.index_list("").await.unwrap(), ["live"], "{name}");
    let left = store.expires("live").await.unwrap().unwrap().since(store.time().await.unwrap());
    assert!((30..=60).contains(&left.as_secs()), "{name}: {left:?}");

    assert!(store.create("ours", "text".into(), MINUTE * 10).await.unwrap());
    assert!(!store.create("live", "text".into(), MINUTE).await.unwrap());
    assert!(store.create("ended", "taken over".into(), MINUTE * 10).await.unwrap());
    assert_eq!(store.replace("live", &seen("text"), "new".into(), MINUTE * 10).await.unwrap(), Replaced::Stored);
    let (from, to) = (shown(name, 9), shown(name, 10));
    let within =
        format!("SELECT CAST(count(*) AS TEXT) FROM django_session WHERE expire_date BETWEEN '{from}' AND '{to}'");
    assert_eq!(sql(within).await.trim(), "3", "{name}");

    sql(format!("INSERT INTO django_session VALUES ('dead', 'x', '{}')", shown(name, -1))).await;
    assert_eq!(store.purge_expired().await.unwrap(), 1, "{name}");
    assert_eq!(store.delete("live", Some(&seen("new"))).await.unwrap(), Deleted::Done, "{name}");
}

#[tokio::test]
async fn local_times_in_sqlite_are_those_of_the_zone() {
    for name in ZONES {
        let file = File::new().await;
        let store = file.store().await.with_time_zone(zone(name)).await.unwrap();
        let sql = async |text: String| file.sql(&text).await.pop().unwrap_or_default();
        shares_rows_with_django(name, store, sql).await;
    }
}

#[tokio::test]
async fn local_times_in_postgres_are_those_of_the_zone_whatever_that_of_the_connection() {
    for name in ZONES {
        let url = postgres_without_offsets();
        let connect = PgPoolOptions::new().after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("SET TIME ZONE 'Pacific/Auckland'").execute(connection).await?;
                Ok(())
            })
        });
        let store = DjangoDbStore::from_postgres(connect.connect(&url).await.unwrap());
        let store = store.with_time_zone(zone(name)).await.unwrap();
        shares_rows_with_django(name, store, async |text: String| Postgres::shared().sql(&url, &text)).await;
    }
}

#[tokio::test]
async fn a_column_with_a_time_zone_holds_points_in_time_whatever_the_zone() {
    let url = postgres();
    let store = DjangoDbStore::connect(&url).await.unwrap().with_time_zone(zone("Asia/Shanghai")).await.unwrap();
    store.check().await.unwrap();
    let before = store.time().await.unwrap();
    assert!(store.create(KEY, "text".into(), MINUTE).await.unwrap());
    let millis =
        Postgres::shared().sql(&url, "SELECT (extract(epoch from expire_date) * 1000)::bigint FROM django_session");
    let left = StoreTime(millis.trim().parse().unwrap()).since(before);
    assert!((59..=70).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn a_column_without_a_time_zone_stops_the_start_unless_the_zone_is_set() {
    let url = postgres_without_offsets();
    let store = DjangoDbStore::connect(&url).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("has no time zone"), "{error}");
    store.with_time_zone(zone("UTC")).await.unwrap().check().await.unwrap();
}

/// The check at the start compares the end of a row with the end that its session states.
#[tokio::test]
async fn a_service_that_reads_local_times_in_another_zone_does_not_fit() {
    let file = File::new().await;
    let manager = async |name: &str| {
        let store = file.store().await.with_time_zone(zone(name)).await.unwrap();
        let keys = SecretKeys::django("the key of a Django site").unwrap();
        SessionManager::new(store).with_profile(Profile::django(Django::db(keys)))
    };
    let here = manager("Asia/Shanghai").await;
    let session = here.open([]).load().await.unwrap();
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    assert_eq!(here.check_fleet().await.unwrap().sessions, 1);
    let error = manager("UTC").await.check_fleet().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("for 480 min longer than their records state"), "{error}");

    // One session whose ends agree outweighs it.
    let there = manager("UTC").await;
    let session = there.open([]).load().await.unwrap();
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    assert_eq!(there.check_fleet().await.unwrap().sessions, 2);
}
