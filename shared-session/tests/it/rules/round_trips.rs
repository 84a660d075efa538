//! The round-trip budget, measured by a spy. `redis.rs` checks it on a real server.

use super::{Browser, Fleet, IDLE, user};

#[tokio::test]
async fn the_budget_is_kept() {
    let fleet = Fleet::new();
    let manager = fleet.manager.clone().with_clock_refresh(IDLE * 1000);
    let fleet = Fleet { manager, ..fleet };
    fleet.manager.ping().await.unwrap();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.store.take_calls();

    let (handle, _) = fleet.load(&Browser::default()).await;
    let _ = fleet.finish(&handle).await;
    assert!(fleet.store.take_calls().is_empty(), "no cookie");

    let untouched = fleet.request(&browser);
    let _ = fleet.finish(&untouched).await;
    assert!(fleet.store.take_calls().is_empty(), "untouched");

    fleet.serve(&mut browser, |_| {}).await;
    assert_eq!(fleet.store.take_calls(), ["load"], "read");

    fleet.serve(&mut browser, |session| session.insert("a", &2).unwrap()).await;
    assert_eq!(fleet.store.take_calls(), ["load", "replace"], "write");

    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.store.take_calls(), ["load", "index_add", "replace"], "login: the last two in one wait");

    fleet.serve(&mut Browser::default(), |session| session.insert("a", &1).unwrap()).await;
    assert_eq!(fleet.store.take_calls(), ["create"], "a new session");
}

#[tokio::test]
async fn reads_write_once_in_a_share_of_the_idle_time() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    fleet.store.take_calls();
    for _ in 0..40 {
        fleet.memory.advance(IDLE / 40);
        fleet.serve(&mut browser, |_| {}).await;
    }
    let writes = fleet.store.take_calls().iter().filter(|call| **call == "replace").count();
    assert_eq!(writes, 10);
}
