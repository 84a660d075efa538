//! Concurrent callers.

use std::time::Duration;

use bytes::Bytes;

use super::steps::{TTL, create, fresh, load, now, pass, random, seen, together, whole};
use crate::store::{Deleted, Replaced, Seen, SessionStore};

rules!(
    "races":
    one_of_many_creates_wins,
    one_of_many_creates_over_an_expired_key_wins,
    one_of_many_replaces_wins,
    one_of_many_deletes_wins,
    increments_are_not_lost,
    an_acknowledged_delete_is_final,
    replace_or_delete_wins_but_not_both,
);

const TAG: usize = 32;

/// A value with a unique tag.
fn tagged(text: impl std::fmt::Display) -> Bytes {
    format!("{:032x}{text}", random()).into()
}

fn seen_tag(value: &Bytes) -> Seen {
    seen(value.clone(), 0..TAG)
}

/// Exactly one of 50 concurrent creates of one key succeeds, and its value is stored.
async fn one_of_many_creates_wins<S: SessionStore + Clone>(store: &S) {
    race_of_creates(store, fresh("creates")).await;
}

/// The same for a key whose lifetime has passed but which the store may still hold.
async fn one_of_many_creates_over_an_expired_key_wins<S: SessionStore + Clone>(store: &S) {
    let key = fresh("creates-expired");
    create(store, &key, "expired", Duration::from_millis(50)).await;
    pass(store, now(store).await.after(Duration::from_millis(50))).await;
    race_of_creates(store, key).await;
}

async fn race_of_creates<S: SessionStore + Clone>(store: &S, key: String) {
    let results = together(50, |number| {
        let (store, key) = (store.clone(), key.clone());
        async move { (number, store.create(&key, number.to_string().into(), TTL).await.expect("create")) }
    })
    .await;
    let winners: Vec<_> = results.iter().filter(|(_, won)| *won).map(|(number, _)| number.to_string()).collect();
    assert_eq!(winners.len(), 1, "winners: {winners:?}");
    assert_eq!(load(store, &key).await.as_deref(), Some(winners[0].as_bytes()));
}

/// Exactly one of 20 concurrent replaces of one version is stored; the others get the winner's bytes.
async fn one_of_many_replaces_wins<S: SessionStore + Clone>(store: &S) {
    let key = fresh("replaces");
    let first = tagged("first");
    create(store, &key, first.clone(), TTL).await;
    let results = together(20, |number| {
        let (store, key, first) = (store.clone(), key.clone(), first.clone());
        async move {
            let value = tagged(number);
            (value.clone(), store.replace(&key, &seen_tag(&first), value, TTL).await.expect("replace"))
        }
    })
    .await;
    let stored: Vec<_> = results.iter().filter(|(_, replaced)| *replaced == Replaced::Stored).collect();
    assert_eq!(stored.len(), 1, "{} writes of one version were stored", stored.len());
    let winner = &stored[0].0;
    for (_, replaced) in &results {
        assert!(*replaced == Replaced::Stored || *replaced == Replaced::Conflict(winner.clone()), "{replaced:?}");
    }
    assert_eq!(load(store, &key).await.as_ref(), Some(winner));
}

/// Exactly one of 20 concurrent deletes reports the deletion.
async fn one_of_many_deletes_wins<S: SessionStore + Clone>(store: &S) {
    let key = fresh("deletes");
    create(store, &key, "value", TTL).await;
    let results = together(20, |number| {
        let (store, key) = (store.clone(), key.clone());
        let part = (number % 2 == 0).then(|| whole("value"));
        async move { store.delete(&key, part.as_ref()).await.expect("delete") }
    })
    .await;
    assert_eq!(results.iter().filter(|deleted| **deleted == Deleted::Done).count(), 1);
    assert_eq!(results.iter().filter(|deleted| **deleted == Deleted::Gone).count(), 19);
}

/// 16 tasks that each add 1 to a counter 25 times, by `replace` until it is stored, reach 400.
async fn increments_are_not_lost<S: SessionStore + Clone>(store: &S) {
    const TASKS: usize = 16;
    const EACH: usize = 25;
    let key = fresh("increments");
    create(store, &key, tagged(0), TTL).await;
    together(TASKS, |_| {
        let (store, key) = (store.clone(), key.clone());
        async move {
            for _ in 0..EACH {
                increment(&store, &key).await;
            }
        }
    })
    .await;
    let last = load(store, &key).await.expect("the counter exists");
    assert_eq!(count(&last), TASKS * EACH);
}

async fn increment<S: SessionStore>(store: &S, key: &str) {
    let mut current = load(store, key).await.expect("the counter exists");
    for _ in 0..10_000 {
        let next = tagged(count(&current) + 1);
        match store.replace(key, &seen_tag(&current), next, TTL).await.expect("replace") {
            Replaced::Stored => return,
            Replaced::Conflict(now) => current = now,
            Replaced::Gone => panic!("the counter is gone"),
        }
    }
    panic!("a replace never succeeds");
}

fn count(value: &[u8]) -> usize {
    std::str::from_utf8(&value[TAG..]).ok().and_then(|count| count.parse().ok()).expect("a tag and a count")
}

/// After an acknowledged delete the key stays absent, however many writers were active.
async fn an_acknowledged_delete_is_final<S: SessionStore + Clone>(store: &S) {
    for _ in 0..10 {
        let key = fresh("delete-final");
        create(store, &key, tagged(0), TTL).await;
        // The last of the nine callers deletes; the others write until they find the key gone.
        together(9, |number| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                if number == 8 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done);
                    assert_eq!(load(&store, &key).await, None, "a write brought a deleted key back");
                } else {
                    write_until_gone(&store, &key).await;
                }
            }
        })
        .await;
        assert_eq!(load(store, &key).await, None, "a write brought a deleted key back");
    }
}

async fn write_until_gone<S: SessionStore>(store: &S, key: &str) {
    let Some(mut current) = load(store, key).await else { return };
    for _ in 0..100_000 {
        let next = tagged("next");
        match store.replace(key, &seen_tag(&current), next.clone(), TTL).await.expect("replace") {
            Replaced::Stored => current = next,
            Replaced::Conflict(now) => current = now,
            Replaced::Gone => return,
        }
        tokio::task::yield_now().await;
    }
    panic!("a write succeeds after the delete");
}

/// Exactly one of a `replace` and a `delete` with the same version succeeds.
async fn replace_or_delete_wins_but_not_both<S: SessionStore + Clone>(store: &S) {
    for _ in 0..25 {
        let key = fresh("replace-delete");
        let (first, second) = (tagged("first"), tagged("second"));
        create(store, &key, first.clone(), TTL).await;
        let (replacing, deleting) = (store.clone(), store.clone());
        let (key_1, key_2, seen_1, seen_2) = (key.clone(), key.clone(), seen_tag(&first), seen_tag(&first));
        let new = second.clone();
        let replace = tokio::spawn(async move { replacing.replace(&key_1, &seen_1, new, TTL).await });
        let delete = tokio::spawn(async move { deleting.delete(&key_2, Some(&seen_2)).await });
        let replaced = replace.await.expect("no panic").expect("replace");
        let deleted = delete.await.expect("no panic").expect("delete");
        match (replaced, deleted) {
            (Replaced::Stored, Deleted::Conflict(current)) => {
                assert_eq!(current, second);
                assert_eq!(load(store, &key).await, Some(second));
            }
            (Replaced::Gone, Deleted::Done) => assert_eq!(load(store, &key).await, None),
            both => panic!("{both:?}"),
        }
    }
}
