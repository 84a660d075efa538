//! Listing and revoking sessions.

use shared_session::{
    Client, ErrorKind, LoadOptions, Session,
    store::{Replaced, Seen, SessionStore},
    testing::Fault,
};

use super::{
    Browser, Fleet, IDLE,
    current_user::{fleet_with_users, fleet_with_users_of_django, name, signed_in},
    user,
};

#[tokio::test]
async fn devices_are_listed_with_where_they_come_from() {
    let fleet = Fleet::new();
    let handle = fleet.request(&Browser::default());
    let client = Client::new(Some([192, 0, 2, 7].into()), Some("Firefox"));
    handle.load_with(LoadOptions::new().with_client(client)).await.unwrap().login_as(user("1")).unwrap();
    let mut browser = Browser::default();
    browser.take(&fleet.finish(&handle).await);
    // Used at the other service, but not started there.
    let elsewhere = fleet.request(&browser);
    let client = Client::new(Some([198, 51, 100, 7].into()), Some("another"));
    elsewhere.load_with(LoadOptions::new().with_client(client)).await.unwrap().insert("a", &1).unwrap();
    assert!(fleet.finish(&elsewhere).await.error().is_none());
    let sessions = fleet.manager.sessions_of("1").await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].handle, browser.handle());
    assert_eq!(sessions[0].address, Some([192, 0, 2, 7].into()));
    assert_eq!(sessions[0].user_agent.as_deref(), Some("Firefox"));
}

#[tokio::test]
async fn a_list_has_the_last_used_session_first_and_no_expired_one() {
    let fleet = Fleet::new();
    let mut browsers = vec![Browser::default(); 4];
    for browser in &mut browsers {
        fleet.serve(browser, |session| session.login_as(user("1")).unwrap()).await;
        fleet.memory.advance(IDLE / 8);
    }
    // A store with a slow clock keeps the record longer than its own expiry.
    let bytes = fleet.memory.load(&browsers[0].key()).await.unwrap().unwrap();
    let kept = fleet.memory.replace(&browsers[0].key(), &Seen::new(bytes.clone(), 0..0), bytes, 2 * IDLE).await;
    assert_eq!(kept.unwrap(), Replaced::Stored);
    fleet.serve(&mut browsers[1], |session| session.insert("a", &1).unwrap()).await;
    fleet.memory.advance(IDLE / 2);
    let listed = fleet.manager.sessions_of("1").await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|session| session.handle).collect();
    assert_eq!(listed, [1, 3, 2].map(|at: usize| browsers[at].handle()));
}

#[tokio::test]
async fn a_user_revokes_own_sessions_only() {
    let fleet = Fleet::new();
    let (mut mine, mut theirs) = (Browser::default(), Browser::default());
    fleet.serve(&mut mine, |session| session.login_as(user("1")).unwrap()).await;
    fleet.serve(&mut theirs, |session| session.login_as(user("2")).unwrap()).await;
    assert!(!fleet.manager.revoke(Some("1"), &theirs.handle()).await.unwrap());
    assert!(fleet.manager.revoke(Some("1"), &mine.handle()).await.unwrap());
    assert!(!fleet.manager.revoke(Some("1"), &mine.handle()).await.unwrap());
    assert!(fleet.memory.index_list("shared_session:user:1").await.unwrap().is_empty());
    assert_eq!(fleet.user_id(&mine).await, None);
    assert_eq!(fleet.user_id(&theirs).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_revocation_whose_reply_was_lost_says_that_there_was_a_session() {
    for fault in [Fault::LostReply, Fault::LostRequest] {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        fleet.faults().fail_next("delete", fault);
        assert!(fleet.manager.revoke(Some("1"), &browser.handle()).await.unwrap(), "{fault:?}");
        assert_eq!(fleet.user_id(&browser).await, None);
    }
}

#[tokio::test]
async fn revoking_the_others_keeps_this_one_with_a_new_cookie() {
    let (fleet, users, _) = fleet_with_users().await;
    let others = [signed_in(&fleet, &users, "ann").await, signed_in(&fleet, &users, "ann").await];
    let mut mine = signed_in(&fleet, &users, "ann").await;
    let before = mine.clone();
    let (handle, session) = fleet.load(&mine).await;
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 2);
    mine.take(&fleet.finish(&handle).await);
    assert_ne!(mine.0, before.0);
    assert_eq!(name(&fleet, &mine).await.as_deref(), Some("ann"));
    for other in &others {
        assert_eq!(name(&fleet, other).await, None);
    }
    assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 1);
}

/// The epoch revokes; the deletion only cleans up.
#[tokio::test]
async fn revoking_a_user_holds_even_if_the_store_cannot_delete() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    fleet.faults().fail_next("index_list", Fault::Refused);
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 0);
    assert_eq!(name(&fleet, &browser).await, None);
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some());

    let other = signed_in(&fleet, &users, "ann").await;
    let mut mine = signed_in(&fleet, &users, "ann").await;
    let (handle, session) = fleet.load(&mine).await;
    fleet.faults().fail_next("index_list", Fault::Refused);
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 0);
    mine.take(&fleet.finish(&handle).await);
    assert_eq!(name(&fleet, &other).await, None);
    assert_eq!(name(&fleet, &mine).await.as_deref(), Some("ann"));
}

/// Without epochs, the deletion revokes.
#[tokio::test]
async fn in_a_django_deployment_sessions_are_revoked_by_deleting_them() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let ann = signed_in(&fleet, &users, "ann").await;
    let bob = signed_in(&fleet, &users, "bob").await;
    for operation in ["index_list", "delete"] {
        fleet.faults().fail_next_n(operation, 2, Fault::Refused);
        let failed = fleet.manager.revoke_all("1").await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable, "{operation}: the session lives on");
        assert_eq!(name(&fleet, &ann).await.as_deref(), Some("ann"));
        fleet.faults().clear();
    }
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
    assert!(fleet.memory.load(&ann.key()).await.unwrap().is_none());
    assert_eq!(name(&fleet, &bob).await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn in_a_django_deployment_revoking_the_others_keeps_this_one_with_a_new_cookie() {
    let (fleet, users) = fleet_with_users_of_django().await;
    let other = signed_in(&fleet, &users, "ann").await;
    let mut mine = signed_in(&fleet, &users, "ann").await;
    let before = mine.clone();
    let (handle, session) = fleet.load(&mine).await;
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 1);
    mine.take(&fleet.finish(&handle).await);
    assert_ne!(mine.0, before.0);
    assert_eq!(name(&fleet, &mine).await.as_deref(), Some("ann"));
    assert_eq!(name(&fleet, &other).await, None);

    let other = signed_in(&fleet, &users, "ann").await;
    let (_, session) = fleet.load(&mine).await;
    fleet.faults().fail_next_n("index_list", 2, Fault::Refused);
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(name(&fleet, &other).await.as_deref(), Some("ann"));
}

#[tokio::test]
async fn the_index_entry_is_written_before_the_record() {
    let fleet = Fleet::new();
    fleet.faults().fail_next_n("index_add", 2, Fault::Refused);
    let handle = fleet.request(&Browser::default());
    handle.load().await.unwrap().login_as(user("1")).unwrap();
    let outcome = fleet.finish(&handle).await;
    assert_eq!(super::kind(&outcome), Some(ErrorKind::Unavailable), "an unlisted session is not a success");
    let calls = fleet.store.take_calls();
    assert!(calls.iter().position(|call| *call == "index_add") < calls.iter().position(|call| *call == "create"));
}

#[tokio::test]
async fn a_list_shows_only_sessions_that_still_belong_to_the_user() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("2")).unwrap()).await;
    let theirs = fleet.memory.index_list("shared_session:user:2").await.unwrap();
    assert_eq!(theirs, [browser.handle().as_str()], "the index of each user is another one");
    let deadline = fleet.memory.time().await.unwrap().after(super::ABSOLUTE);
    fleet.memory.index_add("shared_session:user:1", browser.handle().as_str(), deadline).await.unwrap();
    fleet.memory.index_add("shared_session:user:1", "not a handle", deadline).await.unwrap();
    fleet.memory.index_add("shared_session:user:1", &"A".repeat(24), deadline).await.unwrap();
    assert!(fleet.manager.sessions_of("1").await.unwrap().is_empty());
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 0);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("2"));
}

/// Somebody else signs in to it after it was read.
#[tokio::test]
async fn a_session_that_becomes_another_user_s_is_not_revoked_with_those_of_the_first() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let key = browser.key();
    fleet.faults().before_next("delete", move |memory| async move {
        super::conflict::rewrite(&memory, &key, |text| {
            text.replace_range(66..109, &"S".repeat(43));
            *text = text.replacen(r#""u":{"id":"1""#, r#""u":{"id":"2""#, 1);
        })
        .await;
    });
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 0);
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn administrators_see_every_session_and_end_any() {
    let fleet = Fleet::new();
    let mut browsers = vec![Browser::default(); 3];
    for browser in &mut browsers {
        fleet.serve(browser, |session| session.login_as(user("1")).unwrap()).await;
    }
    let mut seen = 0;
    let mut next = None;
    loop {
        let page = fleet.manager.all_sessions(next.as_deref()).await.unwrap();
        seen += page.sessions.len();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(seen, 3);
    assert!(fleet.manager.revoke(None, &browsers[0].handle()).await.unwrap());
    assert_eq!(fleet.user_id(&browsers[0]).await, None);
}

/// The futures that handlers of a multi-threaded server await must be `Send`.
#[test]
fn every_future_of_the_manager_is_send() {
    fn send<T: Send>(_: T) {}
    #[expect(dead_code, reason = "compiling it is the test")]
    fn all(
        manager: &shared_session::SessionManager,
        session: &shared_session::Session,
        handle: &shared_session::Handle,
    ) {
        send(manager.sessions_of("1"));
        send(manager.revoke(Some("1"), handle));
        send(manager.revoke(None, handle));
        send(manager.all_sessions(None));
        send(manager.revoke_all("1"));
        send(manager.revoke_others(session));
        send(manager.purge_expired());
        send(session.commit());
        send(session.user());
    }
}

#[tokio::test]
async fn edits_that_are_refused_end_no_session() {
    let edits: [(fn(&Session), _); 2] = [
        (|session| _ = session.take::<u64>("flash").unwrap(), ErrorKind::AlreadyTaken),
        (|session| session.insert("large", &"x".repeat(600_000)).unwrap(), ErrorKind::TooLarge),
    ];
    for (edit, refused) in edits {
        let (fleet, users, _) = fleet_with_users().await;
        let other = signed_in(&fleet, &users, "ann").await;
        let mut mine = signed_in(&fleet, &users, "ann").await;
        fleet.serve(&mut mine, |session| session.insert("flash", &1).unwrap()).await;
        let (handle, session) = fleet.load(&mine).await;
        edit(&session);
        fleet.serve(&mut mine.clone(), |session| _ = session.take::<u64>("flash").unwrap()).await;
        assert_eq!(fleet.manager.revoke_others(&session).await.unwrap_err().kind(), refused);
        mine.take(&fleet.finish(&handle).await);
        for browser in [&mine, &other] {
            assert_eq!(name(&fleet, browser).await.as_deref(), Some("ann"), "{refused:?}");
        }
    }
}
