//! Sign-in and sign-out through the manager, over a Redis that forgets.

use shared_session::{Close, Ending, Identity, LazySession, SessionManager};

use super::*;

async fn finish(manager: &SessionManager, handle: &LazySession) -> Option<String> {
    let outcome = match manager.close(handle, Ending::Completed) {
        Close::Done(outcome) => outcome,
        Close::Commit(commit) => manager.commit(commit).await,
    };
    assert!(outcome.error().is_none(), "{:?}", outcome.error());
    outcome.set_cookie().map(|cookie| cookie.split(';').next().unwrap().to_owned())
}

async fn user(manager: &SessionManager, cookie: &str) -> Option<String> {
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    session.identity().unwrap().map(|identity| identity.user_id)
}

#[tokio::test]
async fn users_stay_signed_in_and_signed_out_whatever_redis_loses() {
    let site = Site::new();
    let manager = SessionManager::new(site.store().await);
    let anonymous = manager.open(std::iter::empty());
    anonymous.load().await.unwrap().insert("theme", "dark").unwrap();
    let cookie = finish(&manager, &anonymous).await.unwrap();

    site.flush();
    let signing_in = manager.open([cookie.as_bytes()]);
    signing_in.load().await.unwrap().login_as(Identity::new("1", "hash", 0)).unwrap();
    site.flush();
    let signed_in = finish(&manager, &signing_in).await.unwrap();
    site.flush();
    assert_eq!(user(&manager, &signed_in).await.as_deref(), Some("1"));
    assert_eq!(user(&manager, &cookie).await, None, "the cookie of before the sign-in");
    site.flush();
    assert_eq!(manager.sessions_of("1").await.unwrap().len(), 1);

    let slow = manager.open([signed_in.as_bytes()]);
    slow.load().await.unwrap().insert("late", &true).unwrap();
    let signing_out = manager.open([signed_in.as_bytes()]);
    signing_out.load().await.unwrap().logout().unwrap();
    finish(&manager, &signing_out).await;
    site.flush();
    let Close::Commit(commit) = manager.close(&slow, Ending::Completed) else { panic!("there is an edit") };
    assert_eq!(manager.commit(commit).await.error().unwrap().kind(), ErrorKind::Gone);
    site.flush();
    assert_eq!(user(&manager, &signed_in).await, None);
    assert_eq!(manager.sessions_of("1").await.unwrap().len(), 0);
}
