//! After a lost or late reply the outcome of a write is looked up, never guessed. A late write is not retried.

use shared_session::{
    ErrorKind, Expiry, Profile, Session,
    django::Django,
    store::SessionStore,
    testing::Fault::{LateReply, LateRequest, LostReply, LostRequest, Refused},
};

use super::{Browser, Fleet, conflict::rewrite, kind, user};

async fn counting(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("n", &0).unwrap()).await;
    browser
}

fn add_one(session: &Session) {
    session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
}

#[tokio::test]
async fn an_applied_write_is_not_applied_twice() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().fail_next("replace", LostReply);
    assert!(fleet.serve(&mut browser, add_one).await.error().is_none());
    assert_eq!(fleet.get(&browser, "n").await, Some(1.into()));
}

#[tokio::test]
async fn a_write_that_never_arrived_is_sent_again() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().fail_next("replace", LostRequest);
    assert!(fleet.serve(&mut browser, add_one).await.error().is_none());
    assert_eq!(fleet.get(&browser, "n").await, Some(1.into()));
}

#[tokio::test]
async fn a_write_that_is_lost_twice_is_503() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().fail_next_n("replace", 2, LostRequest);
    fleet.store.take_calls();
    assert_eq!(kind(&fleet.serve(&mut browser, add_one).await), Some(ErrorKind::Unavailable));
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "replace").count(), 2);
    assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
}

type Edit = (&'static str, fn(&Session), &'static [&'static str]);

/// The late operation, the outcome for a session with `n`, and its store calls.
const EDITS: [Edit; 3] = [
    ("replace", add_one, &["load", "replace", "load"]),
    ("replace", |session| session.login_as(user("1")).unwrap(), &["load", "index_add", "replace", "load"]),
    ("delete", |session| session.logout().unwrap(), &["load", "delete", "load"]),
];

/// All calls except those for the time.
fn calls(fleet: &Fleet) -> Vec<&'static str> {
    fleet.store.take_calls().into_iter().filter(|call| *call != "time").collect()
}

/// The request's time is used up: another write would take as long again.
#[tokio::test]
async fn a_late_write_that_was_not_applied_is_503_at_once() {
    for (operation, edit, wanted) in EDITS {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.store.take_calls();
        fleet.faults().fail_next(operation, LateRequest);
        let outcome = fleet.serve(&mut browser, edit).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
        assert_eq!(calls(&fleet), wanted);
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
    }
    let fleet = Fleet::new();
    fleet.faults().fail_next("create", LateRequest);
    let outcome = fleet.serve(&mut Browser::default(), add_one).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
    assert_eq!(calls(&fleet), ["create", "load"]);
}

#[tokio::test]
async fn a_sign_in_whose_index_entry_is_late_is_503_at_once() {
    for replace in [LateRequest, LateReply] {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.store.take_calls();
        fleet.faults().fail_next("index_add", LateRequest);
        fleet.faults().fail_next("replace", replace);
        let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
        let undone: &[_] = if matches!(replace, LateReply) { &["replace"] } else { &[] };
        assert_eq!(calls(&fleet), [&["load", "index_add", "replace", "load"], undone].concat());
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()), "the old cookie opens the session");
    }
}

/// A revocation of all the user's sessions would not find it.
#[tokio::test]
async fn a_sign_in_that_is_not_in_the_index_is_undone() {
    for fault in [Refused, LostRequest, LostReply] {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.faults().fail_next_n("index_add", 2, fault);
        let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
        assert_eq!(fleet.user_id(&browser).await, None);
        assert!(fleet.manager.sessions_of("1").await.unwrap().is_empty());
        let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        assert!(outcome.error().is_none(), "{outcome:?}");
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_first_sign_in_that_is_not_in_the_index_leaves_no_record() {
    for fault in [Refused, LateRequest] {
        let fleet = Fleet::new();
        fleet.faults().fail_next_n("index_add", 2, fault);
        let outcome = fleet.serve(&mut Browser::default(), |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
        assert_eq!(fleet.memory.len(), 0);
    }
}

#[tokio::test]
async fn a_sign_in_that_cannot_end_the_session_before_it_leaves_that_one_alone() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    fleet.faults().fail_next("delete", Refused);
    let outcome = fleet.serve(&mut browser, |session| session.login_as(user("2")).unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert!(fleet.manager.sessions_of("2").await.unwrap().is_empty());
    assert_eq!(fleet.memory.len(), 1);
}

/// An expiry keeps the cookie, so other requests of the visitor would see an edit that is then undone.
#[tokio::test]
async fn an_expiry_that_cannot_be_indexed_is_never_stored() {
    for fault in [Refused, LostRequest, LateRequest] {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        fleet.store.take_calls();
        fleet.faults().fail_next_n("index_add", 2, fault);
        let outcome = fleet
            .serve(&mut browser, |session| {
                session.insert("n", &1).unwrap();
                session.set_expiry(Expiry::OnBrowserClose).unwrap();
            })
            .await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
        assert!(!calls(&fleet).contains(&"replace"), "{fault:?}");
        assert_eq!(fleet.get(&browser, "n").await, None);
    }
}

/// In Django's formats a rotation deletes the old key.
#[tokio::test]
async fn a_rotation_whose_deletion_lost_its_reply_keeps_the_session() {
    let faults: [(&[_], _); 5] = [
        (&[LostReply], None),
        (&[LostRequest], None),
        (&[LateReply], None),
        (&[LostReply, Refused], Some(ErrorKind::Unavailable)),
        (&[LateRequest], Some(ErrorKind::Unavailable)),
    ];
    for (faults, wanted) in faults {
        let fleet = Fleet::new();
        let fleet = Fleet { manager: fleet.manager.clone().with_profile(Profile::django(Django::cache())), ..fleet };
        let mut browser = counting(&fleet).await;
        let old = browser.clone();
        faults.iter().for_each(|fault| fleet.faults().fail_next("delete", *fault));
        let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!(kind(&outcome), wanted, "{faults:?}");
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"), "{faults:?}");
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
        assert_eq!(fleet.get(&old, "n").await, None, "{faults:?}");
    }
}

#[tokio::test]
async fn a_late_write_that_was_applied_is_found() {
    for (operation, edit, wanted) in EDITS {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.store.take_calls();
        fleet.faults().fail_next(operation, LateReply);
        assert!(fleet.serve(&mut browser, edit).await.error().is_none());
        assert_eq!(calls(&fleet), wanted);
        assert_eq!(fleet.memory.len(), usize::from(operation != "delete"));
    }
    let fleet = Fleet::new();
    fleet.faults().fail_next("create", LateReply);
    let browser = counting(&fleet).await;
    assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
}

#[tokio::test]
async fn a_write_that_was_overtaken_after_its_reply_was_lost_is_503_and_not_replayed() {
    let fleet = Fleet::new();
    let browser = counting(&fleet).await;
    let (handle, session) = fleet.load(&browser).await;
    add_one(&session);
    let (rival_handle, rival) = fleet.load(&browser).await;
    add_one(&rival);
    fleet.faults().fail_next("replace", LostReply);
    let (manager, rival_handle) = (fleet.manager.clone(), rival_handle);
    fleet.faults().before_next("load", move |_| async move {
        // Between the lost reply and the look-up, the rival merges on top of it.
        if let shared_session::Close::Commit(commit) = manager.close(&rival_handle, shared_session::Ending::Completed) {
            assert!(manager.commit(commit).await.error().is_none());
        }
    });
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Unavailable));
    assert_eq!(fleet.get(&browser, "n").await, Some(2.into()), "each update once");
}

#[tokio::test]
async fn a_refused_write_is_503_and_changes_nothing() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().fail_next("replace", Refused);
    assert_eq!(kind(&fleet.serve(&mut browser, add_one).await), Some(ErrorKind::Unavailable));
    assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
}

#[tokio::test]
async fn a_started_session_whose_reply_was_lost_is_found_again() {
    for fault in [LostReply, LostRequest] {
        let fleet = Fleet::new();
        fleet.faults().fail_next("create", fault);
        let browser = counting(&fleet).await;
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
    }
}

/// The look-up after the lost reply finds another record.
#[tokio::test]
async fn a_session_whose_key_was_taken_starts_under_another() {
    let fleet = Fleet::new();
    fleet.faults().fail_next("create", LostReply);
    fleet.faults().before_next("load", |memory| async move {
        let key = memory.scan("shared_session:", None).await.unwrap().keys.remove(0);
        rewrite(&memory, &key, |text| *text = text.replace(r#""n":0"#, r#""n":7"#)).await;
    });
    let browser = counting(&fleet).await;
    assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
    assert_eq!(fleet.memory.len(), 2);
}

#[tokio::test]
async fn a_commit_that_does_not_finish_is_503() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().before_next("replace", |_| async { panic!("a driver that panics") });
    let outcome = fleet.serve(&mut browser, add_one).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
}

#[tokio::test]
async fn a_sign_in_whose_reply_was_lost_is_found_again() {
    for fault in [LostReply, LostRequest] {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.faults().fail_next("replace", fault);
        assert!(fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await.error().is_none());
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
        assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
    }
}

#[tokio::test]
async fn a_sign_out_whose_reply_was_lost_is_asked_for_again() {
    for fault in [LostReply, LostRequest] {
        let fleet = Fleet::new();
        let mut browser = counting(&fleet).await;
        fleet.faults().fail_next("delete", fault);
        assert!(fleet.serve(&mut browser, |session| session.logout().unwrap()).await.error().is_none());
        assert_eq!(fleet.memory.len(), 0);
    }
}

#[tokio::test]
async fn a_sign_out_that_the_store_refuses_is_503_and_keeps_the_cookie() {
    let fleet = Fleet::new();
    let mut browser = counting(&fleet).await;
    fleet.faults().fail_next("delete", Refused);
    let outcome = fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Unavailable), None));
    assert_eq!(fleet.get(&browser, "n").await, Some(0.into()));
}
