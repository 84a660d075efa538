//! A handler's own commits: no error and no dropped future loses the cookie of an earlier commit.

use std::time::Duration;

use shared_session::{Ending, ErrorKind, LazySession, Outcome, Session, testing::Fault};

use super::{Browser, Fleet, kind, user};

/// A request that has renewed its cookie by its own commit, and the cookie that its browser still sends.
async fn renewed(fleet: &Fleet) -> (Browser, LazySession, Session) {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("voucher", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.login_as(user("1")).unwrap();
    session.commit().await.unwrap();
    (browser, handle, session)
}

async fn is_signed_in_after(fleet: &Fleet, browser: &mut Browser, outcome: &Outcome) -> bool {
    assert!(outcome.set_cookie().is_some(), "the cookie is sent");
    browser.take(outcome);
    fleet.user_id(browser).await.as_deref() == Some("1")
}

#[tokio::test]
async fn a_conflict_after_which_nothing_can_be_read_keeps_the_cookie_and_is_answered() {
    let fleet = Fleet::new();
    let (mut browser, handle, session) = renewed(&fleet).await;
    let key = browser.key();
    session.take::<u8>("voucher").unwrap();
    // Another request wins, and then the store is down.
    let rival = handle.reopen().load().await.unwrap();
    rival.take::<u8>("voucher").unwrap();
    rival.commit().await.unwrap();
    let faults = fleet.store.clone();
    fleet.faults().after_next("replace", move |_| async move { faults.inner().fail_next("load", Fault::Refused) });
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Unavailable, "{key}");
    let outcome = fleet.finish(&handle).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
    assert!(is_signed_in_after(&fleet, &mut browser, &outcome).await);
}

#[tokio::test]
async fn a_commit_whose_future_is_dropped_keeps_the_cookie_of_the_one_before() {
    let fleet = Fleet::new();
    let (mut browser, handle, session) = renewed(&fleet).await;
    session.insert("a", &2).unwrap();
    fleet.faults().fail_next("replace", Fault::Hangs);
    tokio::select! {
        _ = session.commit() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
    let outcome = fleet.finish(&handle).await;
    fleet.faults().release();
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable), "the outcome is unknown");
    assert!(is_signed_in_after(&fleet, &mut browser, &outcome).await);
}

#[tokio::test]
async fn the_answer_waits_for_a_commit_whose_future_was_dropped_and_sends_its_cookie() {
    let fleet = Fleet::new();
    let (mut browser, handle, session) = renewed(&fleet).await;
    session.insert("a", &2).unwrap();
    session.rotate().unwrap();
    fleet.faults().fail_next("replace", Fault::Hangs);
    tokio::select! {
        _ = session.commit() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
    let finish = fleet.finish(&handle);
    let release = async {
        tokio::task::yield_now().await;
        fleet.faults().release();
    };
    let (outcome, ()) = tokio::join!(finish, release);
    assert_eq!(kind(&outcome), None, "it is stored");
    assert!(is_signed_in_after(&fleet, &mut browser, &outcome).await);
    assert_eq!(fleet.get(&browser, "a").await, Some(2.into()));
}

#[tokio::test]
async fn a_dropped_commit_ends_and_the_handler_may_go_on() {
    let fleet = Fleet::new();
    let (mut browser, handle, session) = renewed(&fleet).await;
    session.insert("a", &2).unwrap();
    fleet.faults().fail_next("replace", Fault::Hangs);
    tokio::select! {
        _ = session.commit() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
    assert_eq!(session.insert("b", &1).unwrap_err().kind(), ErrorKind::Closed, "it is being committed");
    fleet.faults().release();
    let stored = async {
        while session.insert("b", &3).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stored).await.expect("the commit ends");
    let outcome = fleet.finish(&handle).await;
    assert!(is_signed_in_after(&fleet, &mut browser, &outcome).await);
    assert_eq!((fleet.get(&browser, "a").await, fleet.get(&browser, "b").await), (Some(2.into()), Some(3.into())));
}

#[tokio::test]
async fn every_failure_of_a_later_commit_keeps_the_cookie() {
    let fleet = Fleet::new();
    let fleet = Fleet { manager: fleet.manager.clone().with_max_size(2000), ..fleet };
    for failure in ["down", "large", "value", "panic"] {
        let (mut browser, handle, session) = renewed(&fleet).await;
        session.update("n", |n: Option<f64>| Some(n.unwrap_or(1.0))).unwrap();
        let expected = match failure {
            "down" => {
                fleet.faults().fail_next("replace", Fault::Refused);
                ErrorKind::Unavailable
            }
            "large" => {
                session.insert("large", &"x".repeat(2000)).unwrap();
                ErrorKind::TooLarge
            }
            // The closure's result for the value that another request has stored meanwhile.
            "value" => {
                set_in_a_rival(&handle).await;
                session.update("m", |m: Option<f64>| Some(m.unwrap_or(1.0) / 0.0 * 0.0)).unwrap_err();
                session.update("m", |m: Option<f64>| m.map(|_| f64::NAN).or(Some(1.0))).unwrap();
                ErrorKind::Value
            }
            _ => {
                set_in_a_rival(&handle).await;
                session
                    .update("m", |m: Option<f64>| {
                        assert!(m.is_none(), "a panic that a test ordered");
                        Some(1.0)
                    })
                    .unwrap();
                ErrorKind::Unavailable
            }
        };
        assert_eq!(session.commit().await.unwrap_err().kind(), expected, "{failure}");
        assert_eq!(session.login_as(user("2")).unwrap_err().kind(), expected, "the request is lost");
        let outcome = fleet.finish(&handle).await;
        assert_eq!(kind(&outcome), Some(expected), "{failure}");
        assert!(is_signed_in_after(&fleet, &mut browser, &outcome).await, "{failure}");
    }
}

async fn set_in_a_rival(handle: &LazySession) {
    let rival = handle.reopen().load().await.unwrap();
    rival.insert("m", &5.0).unwrap();
    rival.commit().await.unwrap();
}

#[tokio::test]
async fn a_panic_at_the_end_of_a_request_loses_no_lock_and_no_session() {
    let fleet = Fleet::new();
    let (browser, handle, session) = renewed(&fleet).await;
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    let panics = {
        let session = session.clone();
        tokio::spawn(async move { session.update("n", |_: Option<u8>| panic!("a panic that a test ordered")) })
    };
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(session.get::<u8>("a").unwrap(), Some(1), "it edited nothing");
    let outcome = fleet.finish(&handle).await;
    assert!(is_signed_in_after(&fleet, &mut browser.clone(), &outcome).await);
}

#[tokio::test]
async fn a_cookie_is_removed_although_the_session_that_follows_cannot_be_stored() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    session.commit().await.unwrap();
    session.insert("b", &1).unwrap();
    fleet.faults().fail_next("create", Fault::Refused);
    session.commit().await.unwrap_err();
    let outcome = fleet.finish(&handle).await;
    browser.take(&outcome);
    assert_eq!((kind(&outcome), browser.0), (Some(ErrorKind::Unavailable), None));
}

#[tokio::test]
async fn head_and_options_hand_nothing_out_and_acknowledge_nothing() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("voucher", &1).unwrap()).await;
    let head = || fleet.manager.open_read_only(browser.0.as_ref().map(|cookie| cookie.as_bytes()));
    let session = head().load().await.unwrap();
    assert!(session.is_read_only());
    assert_eq!(session.take::<u8>("voucher").unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(session.take::<u8>("absent").unwrap(), None);
    assert_eq!(session.get::<u8>("voucher").unwrap(), Some(1));
    session.commit().await.unwrap();
    type Edit = fn(&Session);
    let edits: [Edit; 6] = [
        |session| session.insert("a", &1).unwrap(),
        |session| session.remove("voucher").unwrap(),
        |session| assert_eq!(session.update("voucher", |n: Option<u8>| n).unwrap(), Some(1)),
        |session| session.rotate().unwrap(),
        |session| session.login_as(user("1")).unwrap(),
        |session| session.logout().unwrap(),
    ];
    for edit in edits {
        let handle = head();
        let session = handle.load().await.unwrap();
        edit(&session);
        assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::ReadOnly);
        let outcome = fleet.finish(&handle).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (None, None));
    }
    assert_eq!(fleet.get(&browser, "voucher").await, Some(1.into()));
}

#[tokio::test]
async fn a_load_that_is_dropped_or_outlives_its_request_does_no_harm() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let handle = fleet.request(&browser);
    fleet.faults().fail_next("load", Fault::Hangs);
    tokio::select! {
        _ = handle.load() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
    assert_eq!(handle.load().await.unwrap().get::<u8>("a").unwrap(), Some(1), "it is loaded again");

    let handle = fleet.request(&browser);
    fleet.faults().fail_next("load", Fault::Hangs);
    let loading = tokio::spawn({
        let handle = handle.clone();
        async move { handle.load().await.map(drop) }
    });
    fleet.faults().wait_for_hanging(1).await;
    assert!(fleet.finish(&handle).await.error().is_none());
    fleet.faults().release();
    assert_eq!(loading.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_commit_that_is_refused_before_it_begins_leaves_nothing_to_work_with() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let late = browser.clone();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    let session = fleet.load(&late).await.1;
    assert!(!session.is_read_only());
    session.insert("b", &1).unwrap();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(session.get::<u8>("b").unwrap_err().kind(), ErrorKind::Stale);
}

/// A nonce that each use replaces, for example.
#[tokio::test]
async fn a_value_is_taken_once_even_if_its_entry_is_edited_afterwards() {
    let edits: [fn(&Session); 4] = [
        |session| session.insert("voucher", &2).unwrap(),
        |session| session.remove("voucher").unwrap(),
        |session| {
            session.update("voucher", |_: Option<u8>| Some(2)).unwrap();
        },
        |session| {
            session.insert("voucher", &2).unwrap();
            session.take::<u8>("voucher").unwrap();
        },
    ];
    for (at, edit) in edits.into_iter().enumerate() {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("voucher", &1).unwrap()).await;
        let ((_first, first), (_second, second)) = (fleet.load(&browser).await, fleet.load(&browser).await);
        for session in [&first, &second] {
            assert_eq!(session.take::<u8>("voucher").unwrap(), Some(1));
            edit(session);
        }
        first.commit().await.unwrap();
        let wanted = [Some(2), None, Some(2), None][at];
        assert_eq!(first.get::<u8>("voucher").unwrap(), wanted);
        assert_eq!(second.commit().await.unwrap_err().kind(), ErrorKind::AlreadyTaken, "edit {at}");
        assert_eq!(second.get::<u8>("voucher").unwrap(), wanted, "edit {at}");
    }
}

/// A visitor whose session has a user and the entry `name`.
async fn signed_in_with(name: &'static str) -> (Fleet, Browser) {
    let (fleet, mut browser) = (Fleet::new(), Browser::default());
    let sign_in = |session: &Session| {
        session.login_as(user("1")).unwrap();
        session.insert(name, &1).unwrap();
    };
    fleet.serve(&mut browser, sign_in).await;
    (fleet, browser)
}

/// The state of a sign-in at another site, for example, in the browser of a visitor who is signed in already.
#[tokio::test]
async fn a_value_is_taken_once_by_the_sign_in_of_another_user() {
    for rival_signs_in in [false, true] {
        let (fleet, mut browser) = signed_in_with("state").await;
        let ((handle, first), (_second, second)) = (fleet.load(&browser).await, fleet.load(&browser).await);
        for (session, signs_in) in [(&first, true), (&second, rival_signs_in)] {
            assert_eq!(session.take::<u8>("state").unwrap(), Some(1));
            if signs_in {
                session.insert("state", &2).unwrap();
                session.login_as(user("2")).unwrap();
            }
        }
        // Between the claim and the end of the session.
        let rival = second.clone();
        fleet.faults().before_next("create", move |_| async move {
            assert_eq!(rival.commit().await.unwrap_err().kind(), ErrorKind::AlreadyTaken);
        });
        first.commit().await.unwrap();
        browser.take(&fleet.finish(&handle).await);
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("2"));
        assert_eq!(fleet.get(&browser, "state").await, Some(2.into()));
        assert_eq!(fleet.memory.len(), 1);
    }
}

#[tokio::test]
async fn a_value_is_taken_once_by_requests_that_sign_out_and_all_of_them_do() {
    for between in [None, Some(Fault::Refused)] {
        let (fleet, mut browser) = signed_in_with("voucher").await;
        let ((_first, first), (handle, second)) = (fleet.load(&browser).await, fleet.load(&browser).await);
        for session in [&first, &second] {
            assert_eq!(session.take::<u8>("voucher").unwrap(), Some(1));
            session.logout().unwrap();
        }
        match between {
            None => first.commit().await.unwrap(),
            Some(fault) => fleet.faults().fail_next("replace", fault),
        }
        let wanted = if between.is_none() { ErrorKind::Gone } else { ErrorKind::Unavailable };
        assert_eq!(second.commit().await.unwrap_err().kind(), wanted);
        browser.take(&fleet.finish(&handle).await);
        assert_eq!((browser.0, fleet.memory.len()), (None, 0), "the session has ended");
    }
}

#[tokio::test]
async fn a_session_that_goes_while_a_take_fails_is_no_longer_there_for_the_handler() {
    for (ends, expected) in [(true, ErrorKind::Gone), (false, ErrorKind::Stale)] {
        let fleet = std::sync::Arc::new(Fleet::new());
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("voucher", &1).unwrap()).await;
        let (_, session) = fleet.load(&browser).await;
        session.take::<u8>("voucher").unwrap();
        fleet.serve(&mut browser, |session| assert_eq!(session.take("voucher").unwrap(), Some(1))).await;
        fleet.faults().after_next("replace", {
            let fleet = fleet.clone();
            move |_| async move {
                let edit = |session: &Session| if ends { session.logout().unwrap() } else { session.rotate().unwrap() };
                fleet.serve(&mut browser, edit).await;
            }
        });
        assert_eq!(session.commit().await.unwrap_err().kind(), expected);
        assert_eq!(session.get::<u8>("voucher").unwrap_err().kind(), expected);
    }
}

/// Begins a commit that hangs in the store, and drops its future.
async fn hanging_commit(fleet: &Fleet, session: &Session) {
    fleet.faults().fail_next("replace", Fault::ReplyHangs);
    tokio::select! {
        _ = session.commit() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
}

/// Lets it end.
async fn end_of_commit(fleet: &Fleet) {
    fleet.faults().release();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_answer_after_a_dropped_commit_is_private_to_the_signed_in_user() {
    for (signed_in, expected) in [(true, Some("private")), (false, None)] {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        let edit = |session: &Session| {
            session.insert("a", &1).unwrap();
            if signed_in {
                session.login_as(user("1")).unwrap();
            }
        };
        fleet.serve(&mut browser, edit).await;
        let (handle, session) = fleet.load(&browser).await;
        session.insert("a", &2).unwrap();
        hanging_commit(&fleet, &session).await;
        let (outcome, ()) = tokio::join!(fleet.finish(&handle), end_of_commit(&fleet));
        assert_eq!((kind(&outcome), outcome.cache_control(false)), (None, expected));
    }
}

#[tokio::test]
async fn a_commit_that_ends_after_its_request_opens_nothing_again() {
    let fleet = Fleet::new();
    for is_dropped in [true, false] {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let (handle, session) = fleet.load(&browser).await;
        session.insert("a", &2).unwrap();
        hanging_commit(&fleet, &session).await;
        let closed = if is_dropped {
            drop(handle.guard());
            None
        } else {
            Some(fleet.manager.close(&handle, Ending::Completed))
        };
        end_of_commit(&fleet).await;
        assert_eq!(session.insert("b", &1).unwrap_err().kind(), ErrorKind::Closed);
        drop(closed);
    }
}
