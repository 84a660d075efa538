//! A second look at who is signed in: the sign-in must be recent.

use std::time::Duration;

use shared_session::{ErrorKind, users::SignedOut};

use super::{
    Browser, IDLE,
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
            SignedOut::of(&error)
        }
    };
    let first = fleet.load(&browser).await.1.authenticated_at().unwrap();
    assert_eq!(why(&browser).await, None);

    fleet.memory.advance(MINUTES);
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(why(&browser).await, None);
    fleet.memory.advance(Duration::from_millis(1));
    assert_eq!(why(&browser).await, Some(SignedOut::TooLongAgo));
    assert_eq!(fleet.load(&browser).await.1.authenticated_at(), Some(first), "neither use nor rotation is a sign-in");
    assert!(fleet.load(&browser).await.1.user().await.unwrap().is_some());

    let again = fleet.load(&browser).await.1.authenticate("ann", "correct horse").await.unwrap().unwrap();
    fleet.serve(&mut browser, |session| session.login(&again).unwrap()).await;
    assert_eq!(why(&browser).await, None);
    assert_eq!(
        fleet.load(&browser).await.1.authenticated_at().unwrap().since(first),
        MINUTES + Duration::from_millis(1)
    );

    assert_eq!(why(&Browser::default()).await, Some(SignedOut::NoCookie));
    fleet.memory.advance(IDLE);
    assert_eq!(why(&browser).await, Some(SignedOut::Ended));
}
