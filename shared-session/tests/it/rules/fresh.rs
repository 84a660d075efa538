//! A stricter check of the signed-in user: the sign-in must be recent.

use std::time::Duration;

use shared_session::{
    ErrorKind,
    users::{Guard, UnauthenticatedReason},
};

use super::{
    ABSOLUTE, Browser, IDLE,
    current_user::{fleet_with_users, signed_in},
};

const MINUTES: Duration = Duration::from_secs(10 * 60);

#[tokio::test]
async fn a_sign_in_is_fresh_for_a_while_and_again_after_another_one() {
    let (fleet, users, _) = fleet_with_users().await;
    let mut browser = signed_in(&fleet, &users, "ann").await;
    let why = async |browser: &Browser| match fleet.load(browser).await.1.require_fresh(MINUTES).await {
        Ok(()) => None,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            UnauthenticatedReason::of(&error)
        }
    };
    let first = fleet.load(&browser).await.1.authenticated_at().unwrap();
    assert_eq!(why(&browser).await, None);

    fleet.memory.advance(MINUTES);
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(why(&browser).await, None);
    fleet.memory.advance(Duration::from_millis(1));
    assert_eq!(why(&browser).await, Some(UnauthenticatedReason::TooLongAgo));
    assert_eq!(fleet.load(&browser).await.1.authenticated_at(), Some(first), "neither use nor rotation is a sign-in");
    assert!(fleet.load(&browser).await.1.user().await.unwrap().is_some());

    let again = fleet.load(&browser).await.1.authenticate("ann", "correct horse").await.unwrap().unwrap();
    fleet.serve(&mut browser, |session| session.login(&again).unwrap()).await;
    assert_eq!(why(&browser).await, None);
    assert_eq!(
        fleet.load(&browser).await.1.authenticated_at().unwrap().since(first),
        MINUTES + Duration::from_millis(1)
    );

    assert_eq!(why(&Browser::default()).await, Some(UnauthenticatedReason::NoCookie));
    let mut visitor = Browser::default();
    fleet.serve(&mut visitor, |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(why(&visitor).await, Some(UnauthenticatedReason::Anonymous));
    fleet.memory.advance(IDLE);
    assert_eq!(why(&browser).await, Some(UnauthenticatedReason::Ended));
}

#[tokio::test]
async fn a_guard_passes_recent_sign_ins_and_redirects_others_to_the_login_page() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let answer = async |guard: &Guard| {
        let (request, session) = fleet.load(&browser).await;
        let refused = guard.check(&session).await.err()?;
        let (reply, _) = request.answer(None, Some(&refused), "GET", "/settings").unwrap();
        let location = reply.headers.into_iter().find_map(|(name, value)| (name == "location").then_some(value));
        Some((reply.status, location))
    };
    let guard = Guard::require_fresh(MINUTES);
    assert_eq!(answer(&guard).await, None);
    fleet.memory.advance(MINUTES + Duration::from_millis(1));
    assert_eq!(answer(&Guard::login_required()).await, None);
    assert_eq!(answer(&guard).await, Some((401, None)));
    let led = answer(&guard.redirect_to("/login")).await;
    assert_eq!(led, Some((303, Some("/login?next=/settings".to_owned()))));
}

/// Otherwise a thief of the cookie could renew the sign-in time, and the session would never end.
#[tokio::test]
async fn signing_the_others_out_is_no_sign_in() {
    let (fleet, users, _) = fleet_with_users().await;
    let mut browser = signed_in(&fleet, &users, "ann").await;
    fleet.memory.advance(MINUTES);
    let (request, session) = fleet.load(&browser).await;
    let (at, cookie) = (session.authenticated_at(), browser.0.clone());
    fleet.manager.revoke_others(&session).await.unwrap();
    browser.take(&fleet.finish(&request).await);
    assert_ne!(browser.0, cookie, "the cookie is a new one");
    let session = fleet.load(&browser).await.1;
    assert!(session.user().await.unwrap().is_some());
    assert_eq!(session.authenticated_at(), at);
    for _ in 0..ABSOLUTE.as_secs() / MINUTES.as_secs() - 1 {
        fleet.memory.advance(MINUTES);
        let (request, session) = fleet.load(&browser).await;
        fleet.manager.revoke_others(&session).await.unwrap();
        browser.take(&fleet.finish(&request).await);
    }
    fleet.memory.advance(MINUTES);
    assert!(fleet.load(&browser).await.1.user().await.unwrap().is_none(), "the absolute lifetime goes on");
}

/// An earlier sign-out stays in effect.
#[tokio::test]
async fn signing_the_others_out_brings_no_session_back() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let (request, session) = fleet.load(&browser).await;
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap_err().kind(), ErrorKind::Gone);
    assert!(fleet.finish(&request).await.set_cookie().is_none());
    assert_eq!(fleet.memory.len(), 0);
}
