//! A sign-out with a cookie that was just replaced, in the stores that services use.

use shared_session::{Close, Ending, ErrorKind, Identity, Session, SessionManager, store::SessionStore};

use crate::backends::on_every_store;

async fn committed(manager: &SessionManager, cookie: &str, edit: impl FnOnce(&Session)) -> Result<String, ErrorKind> {
    let request = manager.open([cookie.as_bytes()]);
    edit(&request.load().await.unwrap());
    let outcome = match manager.close(&request, Ending::Completed) {
        Close::Done(outcome) => outcome,
        Close::Commit(commit) => manager.commit(commit).await,
    };
    match outcome.error() {
        Some(error) => Err(error.kind()),
        None => Ok(outcome.set_cookie().unwrap_or_default().split(';').next().unwrap_or_default().to_owned()),
    }
}

async fn ends<S: SessionStore + Clone>(store: S) {
    let (one, other) = (SessionManager::new(store.clone()), SessionManager::new(store));
    let signs_in = |session: &Session| session.login_as(Identity::new("ann", "", 0)).unwrap();
    let rotates = |session: &Session| session.rotate().unwrap();
    let signs_out = |session: &Session| session.logout().unwrap();

    let planted = committed(&one, "", |session| session.insert("a", &1).unwrap()).await.unwrap();
    let first = committed(&other, &planted, signs_in).await.unwrap();
    assert_eq!(committed(&one, &planted, signs_out).await, Err(ErrorKind::Stale));
    let second = committed(&one, &first, rotates).await.unwrap();
    assert_eq!(committed(&other, &planted, signs_out).await, Err(ErrorKind::Stale));
    assert_eq!(other.sessions_of("ann").await.unwrap().len(), 1);

    committed(&other, &first, signs_out).await.unwrap();
    assert!(other.sessions_of("ann").await.unwrap().is_empty());
    let session = one.open([second.as_bytes()]).load().await.unwrap();
    assert!(session.identity().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_before_a_rotation_ends_the_session_on_every_store() {
    on_every_store!(ends);
}
