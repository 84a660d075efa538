//! Signing out.

use shared_session::{ErrorKind, store::SessionStore, testing::Fault::Refused};

use super::{Browser, Fleet, conflict::rewrite, kind, user};

#[tokio::test]
async fn the_record_is_deleted_and_the_cookie_removed() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let before = browser.clone();
    let outcome = fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert!(outcome.set_cookie().unwrap().contains("Max-Age=0"));
    assert_eq!(fleet.user_id(&before).await, None);
    assert!(fleet.memory.load(&before.key()).await.unwrap().is_none());
    assert!(fleet.memory.index_list("shared_session:user:1").await.unwrap().is_empty());
}

/// A writer that commits repeatedly must not keep the session alive.
#[tokio::test]
async fn no_version_is_checked() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    fleet.serve(&mut browser.clone(), |session| session.insert("a", &1).unwrap()).await;
    fleet.store.take_calls();
    assert!(fleet.finish(&handle).await.error().is_none());
    assert_eq!(fleet.store.take_calls().iter().filter(|call| **call == "delete").count(), 1);
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_sign_out_ends_the_session_of_its_user_even_if_the_cookie_was_replaced_meanwhile() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert!(fleet.finish(&handle).await.error().is_none());
    assert_eq!(fleet.user_id(&browser).await, None);
}

#[tokio::test]
async fn an_anonymous_sign_out_does_not_end_the_sign_in_that_overtook_it() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let outcome = fleet.finish(&handle).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn an_anonymous_sign_out_does_not_end_a_session_whose_cookie_was_replaced() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Stale));
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

/// A writer in another language signs another user in, under a new secret.
#[tokio::test]
async fn a_sign_out_does_not_end_the_session_of_another_user() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    rewrite(&fleet.memory, &browser.key(), |text| {
        text.replace_range(66..109, &"S".repeat(43));
        *text = text.replacen(r#""id":"1""#, r#""id":"2""#, 1);
    })
    .await;
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Stale));
    assert!(fleet.memory.load(&browser.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn without_a_session_nothing_is_stored_and_the_cookie_is_removed() {
    let fleet = Fleet::new();
    let mut browser = Browser(Some(format!("sid={}", "A".repeat(56))));
    let outcome = fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert!(outcome.error().is_none() && browser.0.is_none());
    assert_eq!(fleet.memory.len(), 0);
}

#[tokio::test]
async fn a_sign_out_takes_back_a_sign_in_of_the_same_request() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.login_as(user("1")).unwrap();
            session.logout().unwrap();
        })
        .await;
    assert!(outcome.error().is_none() && browser.0.is_none());
    assert_eq!(fleet.memory.len(), 0);
}

#[tokio::test]
async fn edits_after_a_sign_out_start_a_new_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let before = browser.clone();
    fleet
        .serve(&mut browser, |session| {
            session.insert("secret", &1).unwrap();
            session.logout().unwrap();
            session.insert("flash", "signed out").unwrap();
        })
        .await;
    assert_ne!(browser.handle(), before.handle());
    assert_eq!(fleet.get(&browser, "flash").await, Some("signed out".into()));
    assert_eq!(fleet.get(&browser, "secret").await, None);
    assert_eq!(fleet.user_id(&browser).await, None);
}

/// A store that is out of memory refuses new sessions, and still deletes.
#[tokio::test]
async fn a_sign_out_ends_the_session_even_if_the_edits_after_it_cannot_be_stored() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let before = browser.clone();
    fleet.faults().fail_next("create", Refused);
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.logout().unwrap();
            session.insert("flash", "signed out").unwrap();
        })
        .await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
    assert_eq!(fleet.user_id(&before).await, None);
    assert!(browser.0.is_none(), "the cookie of the ended session is removed");
    assert_eq!(fleet.memory.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_five_sign_outs_racing_with_writers_leave_nothing_alive() {
    for _ in 0..25 {
        let fleet = std::sync::Arc::new(Fleet::new());
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let (fleet, browser) = (fleet.clone(), browser.clone());
                tokio::spawn(async move {
                    for round in 0..20 {
                        let name = format!("w{writer}.{round}");
                        fleet
                            .serve(&mut browser.clone(), |session| {
                                session.update(&name, |_: Option<u8>| Some(1)).map(drop).unwrap();
                            })
                            .await;
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await.error().is_none());
        assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none());
        for writer in writers {
            writer.await.unwrap();
        }
        assert!(fleet.memory.load(&browser.key()).await.unwrap().is_none(), "the session came back");
        assert_eq!(fleet.user_id(&browser).await, None);
    }
}
