//! B. A write whose reply was lost is looked up, never guessed.

use shared_session::{
    ErrorKind,
    testing::Fault::{LostReply, LostRequest, Refused},
};

use super::{Browser, Fleet, kind, user};

async fn counting(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("n", &0).unwrap()).await;
    browser
}

fn add_one(session: &shared_session::Session) {
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
