//! Sessions that end at a time of the site's zone. The store's clock is at 2023-11-14 22:13:20 UTC.

use std::time::Duration;

use shared_session::{
    ErrorKind, Profile,
    django::{
        Django, TimeZone,
        pickle::{Pickle, PyDate, PyDateTime, PyOffset, PyTime, PyValue},
    },
};

use super::{KEY, PREFIX, fleet, made_by_django, session_key, set, stored};
use crate::rules::{Browser, Fleet, kind};

fn in_zone(fleet: &Fleet, zone: Option<&str>) -> Fleet {
    let django = match zone {
        Some(name) => Django::cache().with_time_zone(TimeZone::named(name).unwrap()),
        None => Django::cache(),
    };
    let manager = fleet.manager.clone().with_profile(Profile::django(django));
    Fleet { manager, store: fleet.store.clone(), memory: fleet.memory.clone() }
}

#[tokio::test]
async fn a_session_that_ends_at_a_local_time_ends_then_in_the_zone_of_the_site() {
    for (zone, ends) in [
        ("America/New_York", "2023-11-14T17:14:20.000001"),
        ("Asia/Shanghai", "2023-11-15T06:14:20"),
        ("Europe/Berlin", "2023-11-14T23:14:20"),
        ("UTC", "2023-11-14T22:14:20"),
    ] {
        let fleet = in_zone(&fleet(), Some(zone));
        let mut browser = made_by_django(&fleet, &[("_session_expiry", &format!("{ends:?}")), ("a", "1")]).await;
        assert_eq!(fleet.get(&browser, "a").await, Some(1.into()), "{zone}");
        assert!(fleet.manager.check_fleet().await.is_ok(), "{zone}");
        fleet.serve(&mut browser, |session| session.insert("b", &2).unwrap()).await;
        fleet.memory.advance(Duration::from_secs(59));
        assert_eq!(fleet.get(&browser, "b").await, Some(2.into()), "{zone}");
        fleet.memory.advance(Duration::from_secs(2));
        assert_eq!(fleet.get(&browser, "b").await, None, "{zone}");
    }
}

#[tokio::test]
async fn a_local_time_without_a_zone_stops_the_start_and_neither_ends_nor_overwrites_a_session() {
    let fleet = in_zone(&fleet(), None);
    let browser = made_by_django(&fleet, &[("_session_expiry", r#""2023-11-14T17:14:20""#)]).await;
    let before = stored(&fleet, &session_key(&browser)).await;
    let error = fleet.manager.check_fleet().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no time zone is configured"), "{error}");
    assert_eq!(fleet.load(&browser).await.1.names().unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(stored(&fleet, &session_key(&browser)).await, before);

    // A readable session does not outweigh an unreadable one.
    in_zone(&fleet, None).serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(fleet.manager.check_fleet().await.unwrap_err().kind(), ErrorKind::Config);
    let error = {
        let (request, session) = fleet.load(&Browser::default()).await;
        session.insert("_session_expiry", "2023-11-14T17:14:20").unwrap();
        kind(&fleet.finish(&request).await)
    };
    assert_eq!(error, Some(ErrorKind::Value), "this service writes none either");
}

/// In pickles, as in Django before 4.1.
#[tokio::test]
async fn datetimes_in_pickles_end_sessions_in_their_own_zone_or_in_that_of_the_site() {
    let at = |hour, offset| {
        let date = PyDate { year: 2023, month: 11, day: 14 };
        let time = PyTime { hour, minute: 14, second: 20, microsecond: 5, fold: false, offset };
        PyValue::DateTime(PyDateTime { date, time })
    };
    for ends in [
        at(17, PyOffset::None),
        at(22, PyOffset::Fixed(0)),
        at(17, PyOffset::Fixed(-18_000)),
        at(23, PyOffset::Named("Europe/Paris".into())),
        at(17, PyOffset::Named("America/Port-au-Prince".into())),
    ] {
        let fleet = in_zone(&fleet(), Some("America/New_York"));
        let mut pickle = Pickle::new(4);
        pickle.set("_session_expiry", ends).unwrap();
        pickle.set("a", 1_i64).unwrap();
        set(&fleet, &format!("{PREFIX}{KEY}"), pickle.to_bytes().unwrap()).await;
        let browser = Browser(Some(format!("sid={KEY}")));
        fleet.memory.advance(Duration::from_secs(59));
        assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
        fleet.memory.advance(Duration::from_secs(2));
        assert_eq!(fleet.get(&browser, "a").await, None);
    }
}
