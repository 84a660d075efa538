//! The ways in which a request ends, as a reopened session sees them, whether or not handles to the request remain.

use std::time::Duration;

use shared_session::{Close, Ending, ErrorKind};

use super::{Browser, Fleet, kind};

#[tokio::test]
async fn a_request_that_fails_on_a_first_visit_leaves_no_session_to_read() {
    let fleet = Fleet::new();
    for is_loaded in [true, false] {
        let request = fleet.request(&Browser::default());
        if is_loaded {
            request.load().await.unwrap().insert("a", &1).unwrap();
        }
        let live = request.reopen();
        fleet.finish_with(&request, Ending::Failed).await;
        assert_eq!(live.load().await.unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test]
async fn a_dropped_request_ends_the_wait_for_its_cookie_though_a_handle_remains() {
    let fleet = Fleet::new();
    let (request, session) = fleet.load(&Browser::default()).await;
    let guard = request.guard();
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    let live = request.reopen();
    let waiting = tokio::spawn(async move { live.load().await.map(drop) });
    tokio::task::yield_now().await;
    drop(guard);
    let told = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it does not hang");
    assert_eq!(told.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_session_can_be_reopened_after_a_request_that_committed_twice() {
    let fleet = Fleet::new();
    let (request, session) = fleet.load(&Browser::default()).await;
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    session.insert("b", &2).unwrap();
    let mut browser = Browser::default();
    browser.take(&fleet.finish(&request).await);
    let live = request.reopen().load().await.unwrap();
    assert_eq!(live.get::<u8>("b").unwrap(), Some(2));
}

#[tokio::test]
async fn a_reopened_session_that_is_closed_with_a_rotation_fails() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let live = fleet.request(&browser).reopen();
    live.load().await.unwrap().rotate().unwrap();
    let Close::Done(outcome) = fleet.manager.close(&live, Ending::Completed) else { panic!("nothing is stored") };
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Closed), None));
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}
