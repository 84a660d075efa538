//! Signing in.

use std::time::Duration;

use shared_session::store::SessionStore;

use super::{ABSOLUTE, Browser, Fleet, user};

#[tokio::test]
async fn the_cookie_is_replaced_under_one_key_and_the_entries_stay() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("cart", &1).unwrap()).await;
    let before = browser.clone();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_ne!(browser.0, before.0);
    assert_eq!(browser.handle(), before.handle(), "one key for a session's whole life");
    assert_eq!(fleet.get(&browser, "cart").await, Some(1.into()));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(fleet.user_id(&before).await, None, "the old cookie is refused at once");
}

#[tokio::test]
async fn the_same_user_keeps_the_entries_and_another_one_does_not_get_them() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    fleet.serve(&mut browser, |session| session.insert("private", &1).unwrap()).await;
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.get(&browser, "private").await, Some(1.into()));

    let first = browser.clone();
    fleet
        .serve(&mut browser, |session| {
            session.insert("greeting", "hello").unwrap();
            session.login_as(user("2")).unwrap();
        })
        .await;
    assert_ne!(browser.handle(), first.handle());
    assert_eq!(fleet.get(&browser, "private").await, None);
    assert_eq!(fleet.get(&browser, "greeting").await, Some("hello".into()));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("2"));
    assert_eq!(fleet.user_id(&first).await, None, "the session of the other user has ended");
}

#[tokio::test]
async fn of_two_sign_ins_one_gets_the_record_and_the_other_starts_fresh() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("cart", &1).unwrap()).await;
    let (mut one, mut two) = (browser.clone(), browser.clone());
    let (first, a) = fleet.load(&one).await;
    let (second, b) = fleet.load(&two).await;
    a.login_as(user("1")).unwrap();
    b.login_as(user("2")).unwrap();
    one.take(&fleet.finish(&first).await);
    two.take(&fleet.finish(&second).await);
    assert_eq!((fleet.user_id(&one).await.as_deref(), fleet.user_id(&two).await.as_deref()), (Some("1"), Some("2")));
    assert_ne!(one.handle(), two.handle());
    assert_eq!(fleet.get(&one, "cart").await, Some(1.into()));
    assert_eq!(fleet.get(&two, "cart").await, None, "exactly one user gets the cart");
}

#[tokio::test]
async fn a_sign_in_goes_on_when_its_session_has_ended() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("cart", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.login_as(user("1")).unwrap();
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    browser.take(&fleet.finish(&handle).await);
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(fleet.get(&browser, "cart").await, None, "a signed-out session does not come back");
}

#[tokio::test]
async fn a_sign_in_goes_on_when_the_session_it_ends_was_taken_over() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    session.login_as(user("1")).unwrap();
    let mut rival = browser.clone();
    fleet.serve(&mut rival, |session| session.rotate().unwrap()).await;
    browser.take(&fleet.finish(&handle).await);
    assert_ne!(browser.handle(), rival.handle());
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(fleet.get(&rival, "a").await, Some(1.into()));
}

#[tokio::test]
async fn the_absolute_lifetime_starts_again() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    for _ in 0..6 {
        fleet.memory.advance(Duration::from_secs(800));
        fleet.serve(&mut browser, |_| {}).await;
    }
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let created = fleet.load(&browser).await.1.created_at().unwrap();
    for _ in 0..6 {
        fleet.memory.advance(Duration::from_secs(800));
        fleet.serve(&mut browser, |_| {}).await;
    }
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
    assert!(fleet.memory.time().await.unwrap().since(created) > ABSOLUTE);
}

#[tokio::test]
async fn a_sign_in_of_another_user_that_fails_leaves_the_first_one_signed_in() {
    let too_large = |session: &shared_session::Session| session.insert("large", &"x".repeat(600_000)).unwrap();
    let edits: [fn(&shared_session::Session); 2] = [|_| {}, too_large];
    for (number, edit) in edits.into_iter().enumerate() {
        let fleet = Fleet::new();
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
        if number == 0 {
            fleet.faults().fail_next("create", shared_session::testing::Fault::Refused);
        }
        let outcome = fleet
            .serve(&mut browser, |session| {
                session.login_as(user("2")).unwrap();
                edit(session);
            })
            .await;
        assert!(outcome.error().is_some());
        assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"), "{:?}", outcome.error());
    }
}
