//! A session that moves to a new key while others write to it.

use shared_session::{ErrorKind, django::pickle::Pickle, store::SessionStore, testing::Fault};

use super::{IDLE, PREFIX, fleet, made_by_django, session_key, set, signed_in, stored, write_while_it_moves};
use crate::rules::{Fleet, kind};

#[tokio::test]
async fn a_move_is_a_commit_and_each_write_that_it_met_was_merged() {
    let fleet = fleet();
    let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
    // The write "between" comes while the first new key, which lost, is deleted.
    write_while_it_moves(&fleet, &browser, "first", "1");
    write_while_it_moves(&fleet, &browser, "between", "0");
    write_while_it_moves(&fleet, &browser, "second", "2");
    let outcome = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert!(outcome.error().is_none(), "{outcome:?}");
    assert_eq!(fleet.get(&browser, "first").await, Some(1.into()));
    assert_eq!(fleet.get(&browser, "second").await, Some(2.into()));
    let stats = fleet.manager.stats();
    assert_eq!((stats.commits, stats.merged), (1, 2));
}

#[tokio::test]
async fn a_session_that_somebody_signs_in_to_while_it_moves_is_theirs() {
    let fleet = fleet();
    let [id, backend, hash] = signed_in("9");
    let mut browser = made_by_django(&fleet, &[(backend.0, &backend.1), (hash.0, &hash.1)]).await;
    let before = browser.clone();
    assert_eq!(fleet.user_id(&before).await, None);
    write_while_it_moves(&fleet, &browser, id.0, r#""9""#);
    let outcome = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Stale), None));
    assert_eq!(fleet.user_id(&before).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn a_session_that_was_ended_and_that_django_wrote_again_is_not_moved() {
    let fleet = fleet();
    let browser = made_by_django(&fleet, &[("a", "1")]).await;
    let revived = stored(&fleet, &session_key(&browser)).await.unwrap();
    let (slow, session) = fleet.load(&browser).await;
    session.rotate().unwrap();
    fleet.serve(&mut browser.clone(), |session| session.logout().unwrap()).await;
    set(&fleet, &session_key(&browser), revived).await;
    let outcome = fleet.finish(&slow).await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::Gone), None));
    assert!(fleet.manager.all_sessions(None).await.unwrap().sessions.is_empty());
}

#[tokio::test]
async fn a_session_that_has_become_too_large_is_not_moved() {
    let fleet = fleet();
    let fleet = Fleet { manager: fleet.manager.clone().with_max_size(1000), ..fleet };
    let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
    let outcome = fleet
        .serve(&mut browser, |session| {
            session.insert("large", &"x".repeat(1000)).unwrap();
            session.rotate().unwrap();
        })
        .await;
    assert_eq!((kind(&outcome), outcome.set_cookie()), (Some(ErrorKind::TooLarge), None));
    assert!(stored(&fleet, &session_key(&browser)).await.is_some());
}

/// The look-up after the lost reply finds the record of another session.
#[tokio::test]
async fn a_session_moves_to_no_key_that_is_taken() {
    let fleet = fleet();
    let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
    let old = session_key(&browser);
    fleet.faults().fail_next("create", Fault::LostReply);
    fleet.faults().after_next("create", move |memory| async move {
        let keys = memory.scan(PREFIX, None).await.unwrap().keys;
        let taken = keys.into_iter().find(|key| *key != old).unwrap();
        let mut pickle = Pickle::new(5);
        pickle.set_json("secret", "1").unwrap();
        let _ = memory.delete(&taken, None).await.unwrap();
        assert!(memory.create(&taken, pickle.to_bytes().unwrap(), IDLE).await.unwrap());
    });
    let outcome = fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert!(outcome.error().is_none(), "{outcome:?}");
    assert_eq!(fleet.get(&browser, "cart").await, Some(serde_json::json!([1])));
    assert_eq!(fleet.get(&browser, "secret").await, None);
}

#[tokio::test]
async fn a_lost_reply_to_the_deletion_of_the_old_key_loses_no_session() {
    for fault in [Fault::LostRequest, Fault::LostReply] {
        let fleet = fleet();
        let mut browser = made_by_django(&fleet, &[("cart", "[1]")]).await;
        fleet.faults().fail_next("delete", fault);
        fleet.serve(&mut browser, |session| session.rotate().unwrap()).await;
        assert_eq!(fleet.get(&browser, "cart").await, Some(serde_json::json!([1])), "{fault:?}");
    }
}
