//! `update`, `take` and `commit().await`.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use shared_session::{Ending, ErrorKind, store::SessionStore, testing::Fault};

use super::{Browser, Fleet, conflict::rewrite, kind, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_lose_no_entry_and_their_counter_is_exact() {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_anonymous_max_size(usize::MAX);
    let fleet = Arc::new(Fleet { manager, ..fleet });
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("n", &0).unwrap()).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (fleet, browser) = (fleet.clone(), browser.clone());
            tokio::spawn(async move {
                for round in 0..40 {
                    let (handle, session) = fleet.load(&browser).await;
                    session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
                    session.insert(&format!("w{writer}.{round}"), &round).unwrap();
                    assert_eq!(kind(&fleet.finish(&handle).await), None);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(fleet.get(&browser, "n").await, Some(320.into()));
    let names = fleet.load(&browser).await.1.names().unwrap();
    assert_eq!(names.len(), 321);
}

/// A writer that was overtaken once would be overtaken again and again by later ones, which start at once.
#[tokio::test(start_paused = true)]
async fn writers_of_two_services_far_from_the_store_are_all_acknowledged() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("n", &0).unwrap()).await;
    fleet.faults().set_round_trip(Duration::from_millis(20));
    let elsewhere = Fleet::over(fleet.store.clone(), fleet.memory.clone());
    let writers = (0..32).map(|writer| {
        let (service, browser) = (if writer % 2 == 0 { &fleet } else { &elsewhere }, &browser);
        async move {
            let mut refused = 0;
            for _ in 0..10 {
                let (handle, session) = service.load(browser).await;
                session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
                refused += usize::from(service.finish(&handle).await.error().is_some());
            }
            refused
        }
    });
    assert_eq!(join_all(writers).await.into_iter().sum::<usize>(), 0, "of 320");
    assert_eq!(fleet.get(&browser, "n").await, Some(320.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_committed_answers_of_a_counter_are_equal() {
    let fleet = Arc::new(Fleet::new());
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("n", &0).unwrap()).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (fleet, browser) = (fleet.clone(), browser.clone());
            tokio::spawn(async move {
                let (handle, session) = fleet.load(&browser).await;
                session.update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
                session.commit().await.unwrap();
                let n: u64 = session.get("n").unwrap().unwrap();
                assert!(fleet.finish(&handle).await.error().is_none());
                n
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers.sort_unstable();
    assert_eq!(answers, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_takers_that_commit_one_gets_the_value() {
    let fleet = Arc::new(Fleet::new());
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("voucher", "50 %").unwrap()).await;
    let mut takers = Vec::new();
    for _ in 0..50 {
        takers.push(fleet.load(&browser).await);
    }
    let tasks: Vec<_> = takers
        .into_iter()
        .map(|(handle, session)| {
            let fleet = fleet.clone();
            tokio::spawn(async move {
                let taken = session.take::<String>("voucher").unwrap().is_some();
                let committed = session.commit().await;
                if let Err(error) = &committed {
                    assert_eq!(error.kind(), ErrorKind::AlreadyTaken);
                    assert_eq!(session.get::<String>("voucher").unwrap(), None, "reloaded");
                }
                assert!(fleet.finish(&handle).await.error().is_none(), "the handler may return anything");
                taken && committed.is_ok()
            })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn a_commit_is_kept_and_its_cookie_sent_whatever_happens_next() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let (handle, session) = fleet.load(&browser).await;
    session.insert("kept", &1).unwrap();
    session.commit().await.unwrap();
    session.insert("dropped", &1).unwrap();
    let outcome = fleet.finish_with(&handle, Ending::Failed).await;
    browser.take(&outcome);
    assert_eq!(fleet.get(&browser, "kept").await, Some(1.into()));
    assert_eq!(fleet.get(&browser, "dropped").await, None);
}

#[tokio::test]
async fn edits_after_a_commit_are_committed_at_the_end() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.login_as(user("1")).unwrap();
    session.commit().await.unwrap();
    session.insert("b", &2).unwrap();
    let outcome = fleet.finish(&handle).await;
    assert!(outcome.error().is_none());
    browser.take(&outcome);
    assert_eq!(fleet.get(&browser, "b").await, Some(2.into()));
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_commit_that_fails_fails_the_request_even_if_the_handler_swallows_it() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    session.insert("b", &1).unwrap();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Gone));
}

#[tokio::test]
async fn a_later_failure_does_not_take_back_the_cookie_of_a_commit() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    let (handle, session) = fleet.load(&browser).await;
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    session.insert("b", &1).unwrap();
    fleet.faults().set_down(true);
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Unavailable);
    fleet.faults().set_down(false);
    let outcome = fleet.finish(&handle).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
    browser.take(&outcome);
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

#[tokio::test]
async fn the_cookie_of_a_commit_is_not_sent_when_its_session_was_ended_or_taken_over() {
    for lost in [ErrorKind::Gone, ErrorKind::Stale] {
        let fleet = Fleet::new();
        let (handle, session) = fleet.load(&Browser::default()).await;
        session.insert("a", &1).unwrap();
        session.commit().await.unwrap();
        session.insert("b", &1).unwrap();
        let key = format!("shared_session:{}", session.handle().unwrap());
        if lost == ErrorKind::Gone {
            let _ = fleet.memory.delete(&key, None).await.unwrap();
        } else {
            // The result of a rotation: another hash of a secret, and another tag.
            rewrite(&fleet.memory, &key, |text| {
                text.replace_range(66..109, &"A".repeat(43));
                text.replace_range(35..59, &"A".repeat(24));
            })
            .await;
        }
        let outcome = fleet.finish(&handle).await;
        assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(lost), None));
    }
}

#[tokio::test]
async fn a_commit_that_nobody_waited_for_is_503() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.insert("a", &2).unwrap();
    fleet.faults().fail_next("replace", Fault::Hangs);
    tokio::select! {
        _ = session.commit() => panic!("it hangs"),
        () = fleet.faults().wait_for_hanging(1) => {}
    }
    assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Unavailable), "its handler swallowed it");
    fleet.faults().release();
}

#[tokio::test]
async fn a_commit_once_begun_runs_to_its_end_when_the_request_is_dropped() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.insert("b", &2).unwrap();
    fleet.faults().fail_next("replace", Fault::Hangs);
    let commit = {
        let (manager, handle) = (fleet.manager.clone(), handle.clone());
        tokio::spawn(async move {
            let shared_session::Close::Commit(commit) = manager.close(&handle, Ending::Completed) else {
                unreachable!()
            };
            manager.commit(commit).await
        })
    };
    fleet.faults().wait_for_hanging(1).await;
    commit.abort();
    assert!(commit.await.is_err());
    fleet.faults().release();
    let stored = async {
        while fleet.get(&browser, "b").await != Some(2.into()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stored).await.expect("it is stored");
}

/// A WebSocket outlives its request: it reads and writes through its own handle, until the session ends.
#[tokio::test]
async fn a_reopened_session_sees_and_makes_changes_after_the_request() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (request, session) = fleet.load(&browser).await;
    session.login_as(user("1")).unwrap();
    session.commit().await.unwrap();
    let socket = request.reopen();
    browser.take(&fleet.finish(&request).await);

    fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
    let session = socket.load().await.unwrap();
    assert_eq!(session.get::<u64>("a").unwrap(), Some(2), "under the cookie that the request made");
    session.insert("b", &3).unwrap();
    session.commit().await.unwrap();
    assert_eq!(fleet.get(&browser, "b").await, Some(3.into()));

    fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    let later = socket.reopen().load().await.unwrap();
    assert_eq!(later.handle(), None);
}

#[tokio::test]
async fn requests_that_fail_or_only_read_commit_nothing() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let (handle, session) = fleet.load(&browser).await;
    session.insert("a", &2).unwrap();
    session.login_as(user("1")).unwrap();
    assert!(fleet.finish_with(&handle, Ending::Failed).await.set_cookie().is_none());

    let head = fleet.manager.open_read_only(browser.0.as_ref().map(|cookie| cookie.as_bytes()));
    let session = head.load().await.unwrap();
    session.insert("a", &3).unwrap();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::ReadOnly, "nothing is acknowledged");
    assert!(fleet.finish(&head).await.set_cookie().is_none());

    let (dropped, session) = fleet.load(&browser).await;
    session.insert("a", &4).unwrap();
    drop((dropped, session));
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));

    assert_eq!([500, 503, 599].map(Ending::of_status), [Ending::Failed; 3]);
    assert_eq!([200, 302, 404, 499].map(Ending::of_status), [Ending::Completed; 4]);
}

#[tokio::test]
async fn edits_after_the_response_are_errors() {
    let fleet = Fleet::new();
    let (handle, session) = fleet.load(&Browser::default()).await;
    let _ = fleet.finish(&handle).await;
    assert_eq!(session.insert("a", &1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Closed);
    let unloaded = fleet.request(&Browser::default());
    let _ = fleet.finish(&unloaded).await;
    assert_eq!(unloaded.load().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_session_that_grows_too_large_is_refused_and_stores_nothing() {
    let fleet = Fleet::new();
    let fleet = Fleet { manager: fleet.manager.clone().with_max_size(1000), ..fleet };
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let outcome = fleet.serve(&mut browser, |session| session.insert("a", &"x".repeat(1000)).unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::TooLarge));
    assert_eq!(fleet.get(&browser, "a").await, Some(1.into()));
}

#[tokio::test]
async fn the_closure_of_an_update_may_use_the_session() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    for expected in [7, 14] {
        let (handle, session) = fleet.load(&browser).await;
        session.insert("by", &7).unwrap();
        let own = session.clone();
        let add = move |n: u64| n + own.get::<u64>("by").unwrap_or_default().unwrap_or(7);
        assert_eq!(session.update_or("n", 0, add).unwrap(), expected);
        session.commit().await.unwrap();
        browser.take(&fleet.finish(&handle).await);
    }
    assert_eq!(fleet.get(&browser, "n").await, Some(14.into()));
}

#[tokio::test]
async fn an_update_that_always_edits_its_own_entry_is_an_error() {
    let fleet = Fleet::new();
    let (_, session) = fleet.load(&Browser::default()).await;
    let own = session.clone();
    let count = std::sync::atomic::AtomicU64::new(0);
    let edit = move |_: u64| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        own.insert("n", &n).unwrap();
        n
    };
    assert_eq!(session.update_or("n", 0, edit).unwrap_err().kind(), ErrorKind::Value);
}
