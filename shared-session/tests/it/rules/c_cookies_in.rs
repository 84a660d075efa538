//! C. What a cookie may do. How the header is read, byte by byte, is tested in `cookie`.

use std::time::Duration;

use shared_session::{ErrorKind, testing::Fault};

use super::{Browser, Fleet, kind, user};

#[tokio::test]
async fn no_malformed_cookie_reaches_the_store_or_gets_an_answer() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let good = browser.0.unwrap();
    fleet.store.take_calls();
    for bad in [
        "sid=".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        good.replace("sid=", "sid=\""),
        good.replace("sid=", "SID="),
        good.replace("sid=", "s%69d="),
        format!("{good}; sid=other"),
        format!("sid=*; x={good}"),
        "sid=../../etc/passwd".to_owned(),
        format!("sid={}", "{x}".repeat(18)),
    ] {
        let handle = fleet.manager.open([bad.as_bytes()]);
        let session = handle.load().await.unwrap();
        assert_eq!(session.get::<u64>("a").unwrap(), None, "{bad}");
        let outcome = fleet.finish(&handle).await;
        assert!(outcome.error().is_none() && outcome.set_cookie().is_none(), "{bad}");
    }
    fleet.store.assert_untouched();
}

#[tokio::test]
async fn an_unknown_cookie_is_anonymous_and_a_write_starts_another_handle() {
    let fleet = Fleet::new();
    let chosen = format!("sid={}", "A".repeat(56));
    let mut browser = Browser(Some(chosen.clone()));
    let outcome = fleet.serve(&mut browser, |session| assert_eq!(session.handle(), None)).await;
    assert_eq!(outcome.set_cookie(), None, "reading never sets a cookie");
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    assert_ne!(browser.0.as_deref(), Some(chosen.as_str()));
    assert_ne!(browser.handle().as_str(), "A".repeat(24), "a client does not choose its id");
    assert_eq!(fleet.memory.len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_anonymous_and_harms_nothing() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut thief = Browser(Some(format!("sid={}{}", browser.handle(), "B".repeat(32))));
    assert_eq!(fleet.get(&thief, "a").await, None);
    let outcome = fleet.serve(&mut thief, |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none());
    fleet.serve(&mut thief, |session| session.insert("b", &1).unwrap()).await;
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
    assert_eq!(fleet.get(&browser, "b").await, None);
}

#[tokio::test]
async fn a_late_tab_writes_nothing_for_a_minute_after_a_rotation() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let mut late_tab = browser.clone();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;

    assert_eq!(fleet.get(&late_tab, "a").await, None, "anonymous for reads");
    let edits: [fn(&shared_session::Session); 2] = [|s| s.insert("b", &1).unwrap(), |s| s.logout().unwrap()];
    for edit in edits {
        let outcome = fleet.serve(&mut late_tab, edit).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    }
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));

    fleet.memory.advance(Duration::from_secs(61));
    fleet.serve(&mut late_tab, |session| session.insert("b", &1).unwrap()).await;
    assert_ne!(late_tab.handle(), browser.handle());
}

#[tokio::test]
async fn edits_that_come_to_nothing_start_no_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.update("visits", |n: Option<u64>| n.map(|n| n + 1)).unwrap();
            session.remove("x").unwrap();
            session.cycle_id().unwrap();
        })
        .await;
    assert_eq!(outcome.set_cookie(), None);
    assert_eq!(fleet.memory.len(), 0);
}

/// As a list in Redis.
#[tokio::test]
async fn what_is_no_record_at_all_is_as_unreadable() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let before = browser.handle();
    fleet.faults().fail_next_n("load", 2, Fault::Fails(ErrorKind::Unreadable));
    let (_, session) = fleet.load(&browser).await;
    assert_eq!(session.get::<u64>("a").unwrap_err().kind(), ErrorKind::Unreadable);
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_ne!(browser.handle(), before, "a sign-in takes a new handle");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_is_not_overwritten() {
    use shared_session::store::{Seen, SessionStore};
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let good = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    let newer = String::from_utf8(good.to_vec()).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    let _ =
        fleet.memory.replace(&browser.key(), &Seen::new(good, 0..0), newer.clone().into(), super::IDLE).await.unwrap();

    let (handle, session) = fleet.load(&browser).await;
    assert_eq!(session.get::<u64>("a").unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(session.insert("a", &2).unwrap_err().kind(), ErrorKind::Unreadable);
    assert!(fleet.finish(&handle).await.set_cookie().is_none());
    assert_eq!(fleet.memory.load(&browser.key()).await.unwrap().unwrap(), newer.as_bytes());

    let mut signing_in = browser.clone();
    fleet
        .serve(&mut signing_in, |session| {
            session.login_as(user("1")).unwrap();
            session.insert("b", &2).unwrap();
        })
        .await;
    assert_ne!(signing_in.handle(), browser.handle(), "a sign-in takes a new handle");
    assert_eq!(fleet.get(&signing_in, "b").await, Some(2.into()));
    assert_eq!(fleet.memory.load(&browser.key()).await.unwrap().unwrap(), newer.as_bytes());

    let mut thief = Browser(Some(format!("sid={}{}", browser.handle(), "B".repeat(32))));
    fleet.serve(&mut thief, |session| session.logout().unwrap()).await;
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some(), "only its owner ends it");
    let outcome = fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none(), "a sign-out works");
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none(), "its head says whose it is");
}
