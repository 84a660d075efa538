//! The limit of a user's sessions holds, however many sign-ins are simultaneous.

use std::time::Duration;

use futures_util::future::join_all;
use shared_session::{
    Error, ErrorKind, Identity, SessionLimit, SessionManager,
    store::{MemoryStore, SessionStore},
};

use crate::backends::on_every_store;

async fn sign_in(manager: &SessionManager, user: &str) -> Result<String, Error> {
    let session = manager.open([]).load().await?;
    session.login_as(Identity::new(user, "", 0))?;
    session.commit().await?;
    Ok(session.handle().map(|handle| handle.to_string()).unwrap_or_default())
}

/// Sign-ins in the same millisecond have no order.
async fn next_millisecond() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

async fn count(manager: &SessionManager, user: &str) -> usize {
    manager.sessions_of(user).await.unwrap().len()
}

/// Fifty sign-ins at once in two services, in each mode.
async fn exact<S: SessionStore + Clone>(store: S) {
    for (user, limit) in [("ann", SessionLimit::EndOldest(3)), ("bob", SessionLimit::Refuse(3))] {
        let services = [(); 2].map(|()| SessionManager::new(store.clone()).with_session_limit(limit));
        let other = sign_in(&services[0], "cat").await.unwrap();
        let signed_in = join_all((0..50).map(|n| sign_in(&services[n % 2], user))).await;
        assert_eq!(count(&services[0], user).await, 3, "{limit:?}");
        // On a busy machine a database may not answer all fifty in time.
        let answered = signed_in.into_iter().filter_map(Result::err).filter(|e| e.kind() != ErrorKind::Unavailable);
        for refused in answered {
            assert_eq!((refused.kind(), limit), (ErrorKind::Forbidden, SessionLimit::Refuse(3)));
        }
        assert!(
            services[1].sessions_of("cat").await.unwrap().iter().any(|session| session.handle.to_string() == other)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_sign_ins_at_once_leave_three_sessions_on_every_store() {
    on_every_store!(exact);
}

#[tokio::test]
async fn the_newest_sign_ins_stay_also_of_sessions_that_began_long_ago() {
    let manager = SessionManager::new(MemoryStore::new()).with_session_limit(SessionLimit::EndOldest(2));
    let visitor = manager.open([]).load().await.unwrap();
    visitor.insert("cart", &1).unwrap();
    visitor.commit().await.unwrap();
    let first = sign_in(&manager, "ann").await.unwrap();
    next_millisecond().await;
    let second = sign_in(&manager, "ann").await.unwrap();
    next_millisecond().await;
    visitor.login_as(Identity::new("ann", "", 0)).unwrap();
    visitor.commit().await.unwrap();
    let left: Vec<_> =
        manager.sessions_of("ann").await.unwrap().iter().map(|session| session.handle.to_string()).collect();
    assert!(!left.contains(&first) && left.contains(&second), "the sign-in counts, not the start");
    // Signing in again within a session does not count as a new session.
    visitor.login_as(Identity::new("ann", "", 0)).unwrap();
    visitor.commit().await.unwrap();
    assert_eq!(count(&manager, "ann").await, 2);
}

#[tokio::test]
async fn a_refused_sign_in_leaves_the_visitors_session_as_it_was() {
    let manager = SessionManager::new(MemoryStore::new()).with_session_limit(SessionLimit::Refuse(1));
    sign_in(&manager, "ann").await.unwrap();
    let visitor = manager.open([]).load().await.unwrap();
    visitor.insert("cart", &1).unwrap();
    visitor.commit().await.unwrap();
    let handle = visitor.handle().unwrap();
    visitor.login_as(Identity::new("ann", "", 0)).unwrap();
    assert_eq!(visitor.commit().await.unwrap_err().kind(), ErrorKind::Forbidden);
    let kept = manager.find_session(&handle).await.unwrap().expect("it is there");
    assert_eq!(kept.user_id, None);
}
