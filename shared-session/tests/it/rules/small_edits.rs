//! Edits with little or no effect, and edits that follow another edit of the same request.

use std::time::Duration;

use shared_session::{
    ErrorKind, Expiry, Lifetime, SecretKeys, Session, SessionManager,
    store::{SessionStore, StoreTime},
    testing::Fault,
    users::NewUser,
};

use super::{
    Browser, Fleet, IDLE,
    current_user::{KEY, fleet_with_users, signed_in},
    kind, user,
};

async fn started(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    browser
}

#[tokio::test]
async fn an_edit_that_comes_to_nothing_is_not_stored_and_counts_as_a_use() {
    let fleet = Fleet::new();
    let mut browser = started(&fleet).await;
    let removes = |session: &Session| session.remove("absent").unwrap();
    fleet.store.take_calls();
    fleet.serve(&mut browser, removes).await;
    assert!(!fleet.store.take_calls().contains(&"replace"));
    fleet.memory.advance(IDLE / 2);
    fleet.serve(&mut browser, removes).await;
    fleet.memory.advance(IDLE / 2);
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
    let stats = fleet.manager.stats();
    assert_eq!((stats.touches, stats.commits), (1, 1));
}

#[tokio::test]
async fn a_rotation_after_a_sign_in_leaves_the_visitor_signed_in() {
    let fleet = Fleet::new();
    let mut browser = started(&fleet).await;
    fleet
        .serve(&mut browser, |session| {
            session.login_as(user("1")).unwrap();
            session.rotate().unwrap();
        })
        .await;
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn nobody_is_the_user_after_a_sign_out() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let session = fleet.load(&browser).await.1;
    assert!(session.user().await.unwrap().is_some());
    session.logout().unwrap();
    assert!(session.user().await.unwrap().is_none());
}

#[tokio::test]
async fn a_sign_in_sets_the_user_for_the_rest_of_the_request() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let bob = users.create_user(NewUser::new("bob", "correct horse")).await.unwrap();
    let request = fleet.request(&browser);
    assert!(request.loaded().is_none());
    let session = request.load().await.unwrap();
    assert!(request.loaded().is_some());
    assert_eq!(session.user().await.unwrap().unwrap().username, "ann");
    session.login(&bob).unwrap();
    assert_eq!(session.identity().unwrap().unwrap().user_id, bob.id);
    assert_eq!(session.user().await.unwrap().unwrap().username, "bob");
}

#[tokio::test]
async fn a_request_that_signs_in_may_end_the_others() {
    let (fleet, users, _) = fleet_with_users().await;
    let other = signed_in(&fleet, &users, "ann").await;
    let mut browser = signed_in(&fleet, &users, "ann").await;
    fleet.memory.advance(IDLE / 2);
    let (request, session) = fleet.load(&browser).await;
    let ann = session.user().await.unwrap().unwrap();
    session.login(&ann).unwrap();
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 1);
    browser.take(&fleet.finish(&request).await);
    assert!(fleet.request(&other).load().await.unwrap().user().await.unwrap().is_none());
    let session = fleet.load(&browser).await.1;
    assert!(session.user().await.unwrap().is_some());
    let since = fleet.memory.time().await.unwrap().since(session.authenticated_at().unwrap());
    assert_eq!(since, Duration::ZERO, "it is a sign-in");
}

#[tokio::test]
async fn marks_under_an_earlier_key_that_cannot_be_renewed_fail_no_request() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let keys = SecretKeys::new("a new key of at least thirty-two bytes").unwrap().with_fallback(KEY).unwrap();
    let manager: SessionManager = fleet.manager.clone().with_users(users.clone(), keys);
    let fleet = Fleet { manager, ..fleet };
    for fault in [Fault::Refused, Fault::LostRequest] {
        let (request, session) = fleet.load(&browser).await;
        assert!(session.user().await.unwrap().is_some());
        fleet.store.take_calls();
        fleet.faults().fail_next("replace", fault);
        assert_eq!(kind(&fleet.finish(&request).await), None, "{fault:?}");
        assert!(fleet.store.take_calls().contains(&"replace"));
    }
}

#[tokio::test]
async fn a_session_that_the_store_refuses_is_not_looked_for() {
    let fleet = Fleet::new();
    fleet.faults().fail_next("create", Fault::Refused);
    let outcome = fleet.serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
    assert!(!fleet.store.take_calls().contains(&"load"));
}

#[tokio::test]
async fn a_sign_in_asks_for_its_entry_in_the_index_twice() {
    let fleet = Fleet::new();
    for mut browser in [Browser::default(), started(&fleet).await] {
        fleet.faults().fail_next("index_add", Fault::Refused);
        let outcome = fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!(kind(&outcome), None);
    }
    assert_eq!(fleet.manager.sessions_of("1").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_tells_and_takes_nothing() {
    let fleet = Fleet::new();
    let browser = started(&fleet).await;
    fleet.memory.delete(&browser.key(), None).await.unwrap();
    assert!(fleet.memory.create(&browser.key(), "text".into(), IDLE).await.unwrap());
    let asks: [fn(&Session) -> Option<ErrorKind>; 4] = [
        |session| session.remove("a").err().map(|error| error.kind()),
        |session| session.set_expiry(Expiry::OnBrowserClose).err().map(|error| error.kind()),
        |session| session.expiry().err().map(|error| error.kind()),
        |session| session.identity().err().map(|error| error.kind()),
    ];
    for ask in asks {
        assert_eq!(ask(&fleet.load(&browser).await.1), Some(ErrorKind::Unreadable));
    }
}

#[tokio::test]
async fn an_anonymous_session_is_limited_to_four_kibibytes() {
    let fleet = Fleet::new();
    let store = async |len: usize| {
        let value = "x".repeat(len);
        kind(&fleet.serve(&mut Browser::default(), |session| session.insert("a", &value).unwrap()).await)
    };
    assert_eq!(store(3500).await, None);
    assert_eq!(store(4096).await, Some(ErrorKind::TooLarge));
}

/// The clock of the store is read when the question arrives.
#[tokio::test(start_paused = true)]
async fn the_store_s_time_is_that_of_half_a_round_trip_ago() {
    let fleet = Fleet::new();
    let manager =
        fleet.manager.clone().with_clock_refresh(Duration::from_secs(3600)).with_lifetime(Lifetime::default());
    let fleet = Fleet { manager, ..fleet };
    fleet.faults().set_round_trip(Duration::from_secs(2));
    let browser = started(&fleet).await;
    assert_eq!(fleet.load(&browser).await.1.created_at(), Some(StoreTime(1_700_000_001_000)));
}

#[tokio::test]
async fn a_page_for_a_signed_in_user_is_private() {
    let fleet = Fleet::new();
    let mut browser = started(&fleet).await;
    let look = |session: &Session| drop(session.names().unwrap());
    assert_eq!(fleet.serve(&mut browser, look).await.cache_control(false), None);
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.serve(&mut browser, look).await.cache_control(false), Some("private"));
    assert_eq!(fleet.serve(&mut browser, look).await.cache_control(true), None, "the handler decided");
}

#[tokio::test]
async fn an_outage_is_answered_with_the_time_that_was_set() {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_retry_after(Duration::from_secs(7));
    let error = ErrorKind::Unavailable.into();
    let (reply, _) = manager.open([]).answer(Some(&error), None, "GET", "/").unwrap();
    let after = reply.headers.iter().find(|(name, _)| *name == "retry-after");
    assert_eq!(after.map(|(_, seconds)| seconds.as_str()), Some("7"));
}

/// Django's sessions carry no epoch, so raising the row's epoch would end none of them.
#[tokio::test]
async fn with_the_keys_of_django_revoking_deletes_sessions_even_if_the_tables_have_epochs() {
    let (fleet, users, _) = fleet_with_users().await;
    let keys = SecretKeys::django("the key of a Django site").unwrap();
    let manager = fleet.manager.clone().with_users(users.clone(), keys);
    let fleet = Fleet { manager, ..fleet };
    let ann = signed_in(&fleet, &users, "ann").await;
    fleet.faults().fail_next("index_list", Fault::Refused);
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
    assert!(fleet.request(&ann).load().await.unwrap().user().await.unwrap().is_none());
}
