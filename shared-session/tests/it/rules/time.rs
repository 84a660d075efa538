//! Only the store's time matters.

use std::time::Duration;

use shared_session::{
    Expiry, Lifetime,
    store::{Replaced, Seen, SessionStore},
    testing::Fault,
};

use super::{ABSOLUTE, Browser, Fleet, IDLE, kind};

/// More than the error of a service's estimate of the store's time, even after a slow reply.
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_idle_session_ends_and_a_used_one_does_not() {
    let fleet = Fleet::new();
    let mut used = Browser::default();
    let mut idle = Browser::default();
    for browser in [&mut used, &mut idle] {
        fleet.serve(browser, |session| session.insert("a", &1).unwrap()).await;
    }
    for _ in 0..3 {
        fleet.memory.advance(IDLE * 2 / 5);
        fleet.serve(&mut used, |_| {}).await;
    }
    assert_eq!(fleet.get(&used, "a").await, Some(1.into()));
    assert_eq!(fleet.get(&idle, "a").await, None);
}

#[tokio::test]
async fn use_does_not_extend_the_absolute_limit() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut lived = Duration::ZERO;
    while lived + IDLE / 2 < ABSOLUTE {
        fleet.memory.advance(IDLE / 2);
        lived += IDLE / 2;
        fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
        assert_eq!(fleet.get(&browser, "a").await, Some(2.into()), "{lived:?}");
    }
    fleet.memory.advance(ABSOLUTE - lived + SECOND);
    assert_eq!(fleet.get(&browser, "a").await, None);
}

#[tokio::test]
async fn a_service_with_other_settings_does_not_shorten_what_another_promised() {
    let fleet = Fleet::new();
    let hasty = fleet.manager.clone().with_lifetime(Lifetime::default().with_idle(Duration::from_secs(1)));
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let hasty = Fleet { manager: hasty, store: fleet.store.clone(), memory: fleet.memory.clone() };
    hasty.serve(&mut browser, |session| session.insert("b", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

#[tokio::test]
async fn a_touch_changes_no_entry_and_yields_to_every_write() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    let (reader, _) = fleet.load(&browser).await;
    fleet.serve(&mut browser.clone(), |session| session.insert("a", &2).unwrap()).await;
    assert!(fleet.finish(&reader).await.error().is_none());
    assert_eq!(fleet.get(&browser, "a").await, Some(2.into()));
}

#[tokio::test]
async fn a_touch_never_creates_and_never_fails_the_request() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    let (reader, _) = fleet.load(&browser).await;
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert!(fleet.finish(&reader).await.error().is_none());
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());

    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    fleet.faults().fail_next("replace", Fault::Refused);
    assert!(fleet.serve(&mut browser, |_| {}).await.error().is_none());
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

#[tokio::test]
async fn a_write_with_no_time_left_deletes_and_is_gone() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    for _ in 0..9 {
        fleet.memory.advance(ABSOLUTE / 10);
        fleet.serve(&mut browser, |_| {}).await;
    }
    let (handle, session) = fleet.load(&browser).await;
    session.insert("late", &1).unwrap();
    // A store with a slow clock keeps the record longer than its own expiry.
    let bytes = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let kept = fleet.memory.replace(&browser.key(), &Seen::new(bytes.clone(), 0..0), bytes, 2 * ABSOLUTE).await;
    assert_eq!(kept.unwrap(), Replaced::Stored);
    fleet.memory.advance(ABSOLUTE / 10 + SECOND);
    assert_eq!(fleet.get(&browser, "a").await, None);
    assert_eq!(super::kind(&fleet.finish(&handle).await), Some(shared_session::ErrorKind::Gone));
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
}

#[tokio::test]
async fn expired_sessions_are_purged_from_stores_that_keep_them() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(fleet.manager.purge_expired().await.unwrap(), 0);
    fleet.memory.advance(IDLE);
    assert_eq!(fleet.manager.purge_expired().await.unwrap(), 1);
}

#[tokio::test]
async fn the_clock_is_sampled_once_and_an_outage_does_not_stop_it() {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_clock_refresh(Duration::from_secs(3600));
    let fleet = Fleet { manager, ..fleet };
    let mut browser = Browser::default();
    for _ in 0..10 {
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    }
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "time").count(), 1);

    let manager = fleet.manager.clone().with_clock_refresh(Duration::ZERO);
    let fleet = Fleet { manager, ..fleet };
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
    fleet.faults().fail_next_n("time", 10, Fault::Refused);
    assert!(fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await.error().is_none());
    assert_eq!(fleet.get(&browser, "a").await, Some(2.into()));
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_fails_no_request() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    fleet.faults().fail_next("replace", Fault::Refused);
    assert_eq!(kind(&fleet.serve(&mut browser, |_| {}).await), None);
    assert!(fleet.faults().load(&browser.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_expiry_alone_neither_starts_a_session_nor_fails_under_a_replaced_cookie() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut late = browser.clone();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    for browser in [&mut late, &mut Browser::default()] {
        let outcome = fleet.serve(browser, |session| session.set_expiry(Expiry::OnBrowserClose).unwrap()).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (None, None));
    }
}
