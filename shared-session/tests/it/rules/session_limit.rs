//! The session limit: the sessions that it ends, the sign-ins that it refuses, and those that it does not affect.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use shared_session::{
    ErrorKind, Profile, SessionLimit,
    audit::AuditKind,
    django::Django,
    store::SessionStore,
    testing::Fault,
    users::{ManageUsers as _, Users as _},
};

use super::{
    ABSOLUTE, Browser, Fleet,
    conflict::rewrite,
    current_user::{fleet_with_users, name, signed_in},
    kind, lifetime, user,
};

/// More than the difference between two services' estimates of the store's time.
const MOMENT: Duration = Duration::from_secs(1);

fn limited(limit: SessionLimit) -> Fleet {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_session_limit(limit);
    Fleet { manager, ..fleet }
}

/// Signs in user 1, a moment after the previous sign-in.
async fn sign_in(fleet: &Fleet, browser: &mut Browser) -> Option<ErrorKind> {
    fleet.memory.advance(MOMENT);
    kind(&fleet.serve(browser, |session| session.login_as(user("1")).unwrap()).await)
}

async fn new_sign_in(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    assert_eq!(sign_in(fleet, &mut browser).await, None);
    browser
}

#[tokio::test]
async fn a_sign_in_within_the_limit_reads_no_other_session() {
    for limit in [SessionLimit::EndOldest(2), SessionLimit::Refuse(2)] {
        let fleet = limited(limit);
        new_sign_in(&fleet).await;
        fleet.store.take_calls();
        new_sign_in(&fleet).await;
        assert!(!fleet.store.take_calls().contains(&"load"), "{limit:?}");
    }
}

#[tokio::test]
async fn only_a_sign_in_looks_at_the_other_sessions() {
    for limit in [SessionLimit::EndOldest(2), SessionLimit::Refuse(2)] {
        let fleet = limited(limit);
        let mut browser = new_sign_in(&fleet).await;
        fleet.store.take_calls();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        assert!(!fleet.store.take_calls().contains(&"index_list"), "{limit:?}");
    }
}

#[tokio::test]
async fn to_sign_in_again_takes_no_place() {
    for limit in [SessionLimit::EndOldest(1), SessionLimit::Refuse(1)] {
        let fleet = limited(limit);
        let mut browser = new_sign_in(&fleet).await;
        assert_eq!(sign_in(&fleet, &mut browser).await, None, "{limit:?}");
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_sign_in_that_another_one_overtook_is_refused_and_told_as_no_revocation() {
    let fleet = limited(SessionLimit::Refuse(1));
    let told = Arc::new(Mutex::new(Vec::new()));
    let kinds = Arc::clone(&told);
    let manager = fleet.manager.clone().with_audit(move |event| kinds.lock().unwrap().push(event.kind));
    let fleet = Arc::new(Fleet { manager, ..fleet });
    let first = Arc::new(Mutex::new(Browser::default()));
    fleet.faults().after_next("index_list", {
        let (fleet, first) = (Arc::clone(&fleet), Arc::clone(&first));
        move |memory| async move {
            *first.lock().unwrap() = new_sign_in(&fleet).await;
            memory.advance(MOMENT);
        }
    });
    assert_eq!(sign_in(&fleet, &mut Browser::default()).await, Some(ErrorKind::Forbidden));
    let first = first.lock().unwrap().clone();
    let left: Vec<_> = fleet.manager.sessions_of("1").await.unwrap().iter().map(|session| session.handle).collect();
    assert_eq!(left, [first.handle()]);
    assert_eq!(*told.lock().unwrap(), [AuditKind::SignIn]);
}

#[tokio::test]
async fn the_oldest_sign_in_is_ended_also_where_it_would_live_the_longest() {
    let fleet = limited(SessionLimit::EndOldest(4));
    let mut browsers = Vec::new();
    for days in (1..=12).rev() {
        let lives_shorter_each_time = lifetime().with_absolute(ABSOLUTE * days);
        let manager = fleet.manager.clone().with_lifetime(lives_shorter_each_time);
        let (store, memory) = (fleet.store.clone(), fleet.memory.clone());
        browsers.push(new_sign_in(&Fleet { manager, store, memory }).await);
    }
    let mut left = Vec::new();
    for browser in &browsers {
        left.push(fleet.user_id(browser).await.is_some());
    }
    assert_eq!(left, [[false; 4], [false; 4], [true; 4]].concat());
}

/// Django's sessions do not store the time of their sign-in, so any of them may seem to be the oldest.
#[tokio::test]
async fn a_session_that_moves_stays_with_the_sign_in_that_it_moves_for() {
    let fleet = limited(SessionLimit::EndOldest(1));
    let fleet = Fleet { manager: fleet.manager.clone().with_profile(Profile::django(Django::cache())), ..fleet };
    new_sign_in(&fleet).await;
    for _ in 0..16 {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("cart", &1).unwrap()).await;
        assert_eq!(sign_in(&fleet, &mut browser).await, None);
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn another_user_s_session_in_the_index_is_not_ended() {
    let fleet = limited(SessionLimit::EndOldest(1));
    let mut theirs = Browser::default();
    fleet.serve(&mut theirs, |session| session.login_as(user("2")).unwrap()).await;
    let deadline = fleet.memory.time().await.unwrap().after(ABSOLUTE);
    fleet.memory.index_add("shared_session:user:1", theirs.handle().as_str(), deadline).await.unwrap();
    new_sign_in(&fleet).await;
    assert_eq!(fleet.user_id(&theirs).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_session_that_becomes_another_user_s_before_it_is_ended_stays() {
    let fleet = limited(SessionLimit::EndOldest(1));
    let oldest = new_sign_in(&fleet).await;
    let key = oldest.key();
    fleet.faults().before_next("delete", move |memory| async move {
        rewrite(&memory, &key, |text| {
            text.replace_range(66..109, &"S".repeat(43));
            *text = text.replacen(r#""u":{"id":"1""#, r#""u":{"id":"9""#, 1);
        })
        .await;
    });
    new_sign_in(&fleet).await;
    assert!(fleet.memory.load(&oldest.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_sign_in_fails_if_the_session_beyond_the_limit_cannot_be_ended() {
    let fleet = limited(SessionLimit::EndOldest(1));
    new_sign_in(&fleet).await;
    fleet.faults().fail_next("delete", Fault::Refused);
    assert_eq!(sign_in(&fleet, &mut Browser::default()).await, Some(ErrorKind::Unavailable));
}

/// The session is stored, so without its cookie the visitor would lose the old session, and an orphan would take the
/// user's place.
#[tokio::test]
async fn a_sign_in_that_fails_after_it_was_stored_gives_the_browser_its_cookie() {
    for limit in [SessionLimit::EndOldest(1), SessionLimit::Refuse(1)] {
        let fleet = limited(limit);
        let told = Arc::new(Mutex::new(Vec::new()));
        let kinds = Arc::clone(&told);
        let manager = fleet.manager.clone().with_audit(move |event| kinds.lock().unwrap().push(event.kind));
        let fleet = Fleet { manager, ..fleet };
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("cart", &1).unwrap()).await;
        let faults = fleet.faults().clone();
        fleet.faults().before_next("replace", move |_| async move { faults.fail_next("index_list", Fault::Refused) });
        let (handle, session) = fleet.load(&browser).await;
        session.login_as(user("1")).unwrap();
        let outcome = fleet.finish(&handle).await;
        browser.take(&outcome);
        assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable), "{limit:?}");
        assert!(outcome.error().unwrap().is_undecided(), "a part of it was applied");
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"), "{limit:?}");
        assert_eq!(fleet.get(&browser, "cart").await, Some(1.into()));
        assert_eq!(*told.lock().unwrap(), [AuditKind::SignIn]);
        assert_eq!(sign_in(&fleet, &mut browser).await, None, "{limit:?}");
    }
}

#[tokio::test]
async fn the_session_that_a_sign_in_replaces_takes_no_room() {
    let fleet = limited(SessionLimit::Refuse(1));
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.logout().unwrap();
            session.login_as(user("1")).unwrap();
        })
        .await;
    assert!(outcome.error().is_none(), "{outcome:?}");
    assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 1);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_new_cookie_makes_no_sign_in_younger() {
    let fleet = limited(SessionLimit::EndOldest(2));
    let (mut first, second) = (new_sign_in(&fleet).await, new_sign_in(&fleet).await);
    fleet.memory.advance(MOMENT);
    fleet.serve(&mut first, |session| session.rotate().unwrap()).await;
    let third = new_sign_in(&fleet).await;
    let mut left = Vec::new();
    for browser in [&first, &second, &third] {
        left.push(fleet.user_id(browser).await.is_some());
    }
    assert_eq!(left, [false, true, true]);
}

/// Nobody could sign out of them: the user would be locked out until they expire.
#[tokio::test]
async fn sessions_that_a_new_password_has_ended_take_no_place() {
    for ends_with in ["password", "epoch"] {
        let (fleet, users, _) = fleet_with_users().await;
        let fleet = Fleet { manager: fleet.manager.clone().with_session_limit(SessionLimit::Refuse(2)), ..fleet };
        for _ in 0..2 {
            signed_in(&fleet, &users, "ann").await;
        }
        match ends_with {
            "password" => drop(users.set_password("1", "another horse").await.unwrap()),
            _ => drop(users.raise_epoch("1").await.unwrap()),
        }
        assert!(fleet.manager.sessions_of("1").await.unwrap().is_empty(), "{ends_with}");
        let browsers = [signed_in(&fleet, &users, "ann").await, signed_in(&fleet, &users, "ann").await];
        for browser in &browsers {
            assert_eq!(name(&fleet, browser).await.as_deref(), Some("ann"), "{ends_with}");
        }
        assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 2, "{ends_with}");
        let third = signed_in(&fleet, &users, "ann").await;
        assert_eq!(third.0, None, "{ends_with}: those from now on count");
    }
}
