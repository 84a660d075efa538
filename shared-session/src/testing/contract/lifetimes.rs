//! Lifetimes and the store's clock. The rules wait by that clock, without accessing the key.

use std::time::Duration;

use super::steps::{TTL, create, fresh, load, now, pass, replace, scan, whole};
use crate::store::{Deleted, Replaced, SessionStore};

rules!(
    "lifetimes":
    an_expired_key_is_absent,
    replace_renews_the_lifetime,
    replace_can_shorten_the_lifetime,
    load_does_not_renew_the_lifetime,
    lifetimes_below_a_second_work,
    a_lifetime_of_zero_is_a_millisecond,
    a_lifetime_of_a_hundred_years_works,
    purging_keeps_what_lives,
    time_is_the_time_of_day_and_goes_on,
);

const SHORT: Duration = Duration::from_millis(300);

/// A key whose lifetime has passed is absent for every operation, and can be created again.
async fn an_expired_key_is_absent<S: SessionStore>(store: &S) {
    let base = fresh("expired");
    // Each operation has its own key, because any of them may remove expired entries.
    let key = |operation: &str| format!("{base}{operation}");
    for operation in ["load", "create", "replace", "delete", "delete-part", "scan"] {
        create(store, &key(operation), "old", SHORT).await;
    }
    pass(store, now(store).await.after(SHORT)).await;

    assert_eq!(scan(store, &key("scan")).await.len(), 0, "scan lists an expired key");
    assert_eq!(load(store, &key("load")).await, None);
    assert_eq!(replace(store, &key("replace"), &whole("old"), "new").await, Replaced::Gone);
    assert_eq!(load(store, &key("replace")).await, None);
    assert_eq!(store.delete(&key("delete"), None).await.expect("delete"), Deleted::Gone);
    assert_eq!(store.delete(&key("delete-part"), Some(&whole("old"))).await.expect("delete"), Deleted::Gone);
    create(store, &key("create"), "new", TTL).await;
    assert_eq!(load(store, &key("create")).await.as_deref(), Some(&b"new"[..]));
    assert_eq!(replace(store, &key("create"), &whole("new"), "newer").await, Replaced::Stored);
}

/// A replaced key has the lifetime of its last `replace`.
async fn replace_renews_the_lifetime<S: SessionStore>(store: &S) {
    let first = Duration::from_secs(1);
    // On a slow machine the first lifetime may pass before the replace; then the attempt proves nothing.
    for attempt in 0..10 {
        let key = fresh("renewed");
        let first = first * (attempt + 1);
        create(store, &key, "old", first).await;
        let created = now(store).await;
        match replace(store, &key, &whole("old"), "new").await {
            Replaced::Stored => {
                pass(store, created.after(first)).await;
                assert_eq!(load(store, &key).await.as_deref(), Some(&b"new"[..]), "the first lifetime was kept");
                return;
            }
            Replaced::Gone => {}
            Replaced::Conflict(_) => panic!("there is no other writer"),
        }
    }
    panic!("a key expired before its lifetime had passed");
}

/// A new lifetime may also be shorter.
async fn replace_can_shorten_the_lifetime<S: SessionStore>(store: &S) {
    let key = fresh("shortened");
    create(store, &key, "old", TTL).await;
    assert_eq!(store.replace(&key, &whole("old"), "new".into(), SHORT).await.expect("replace"), Replaced::Stored);
    pass(store, now(store).await.after(SHORT)).await;
    assert_eq!(load(store, &key).await, None, "the first lifetime was kept");
}

/// `load` never writes.
async fn load_does_not_renew_the_lifetime<S: SessionStore>(store: &S) {
    let key = fresh("loaded");
    create(store, &key, "value", SHORT).await;
    let end = now(store).await.after(SHORT);
    while now(store).await < end {
        load(store, &key).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pass(store, end).await;
    assert_eq!(load(store, &key).await, None);
}

/// Lifetimes have millisecond precision: 300 ms are neither zero nor a second.
async fn lifetimes_below_a_second_work<S: SessionStore>(store: &S) {
    let key = fresh("sub-second");
    let mut seen_alive = false;
    for _ in 0..20 {
        let before = now(store).await;
        create(store, &key, "value", SHORT).await;
        let created = now(store).await;
        let loaded = load(store, &key).await;
        if now(store).await.since(before) < SHORT {
            assert_eq!(loaded.as_deref(), Some(&b"value"[..]), "the lifetime was cut");
            seen_alive = true;
        }
        pass(store, created.after(SHORT)).await;
        assert_eq!(load(store, &key).await, None, "the lifetime was rounded up");
        if seen_alive {
            return;
        }
    }
    panic!("the store is too slow for this rule");
}

/// A lifetime below one millisecond counts as one.
async fn a_lifetime_of_zero_is_a_millisecond<S: SessionStore>(store: &S) {
    let (created, replaced) = (fresh("zero-created"), fresh("zero-replaced"));
    for zero in [Duration::ZERO, Duration::from_nanos(1)] {
        create(store, &created, "value", zero).await;
        create(store, &replaced, "value", TTL).await;
        let outcome = store.replace(&replaced, &whole("value"), "new".into(), zero).await.expect("replace");
        assert_eq!(outcome, Replaced::Stored);
        pass(store, now(store).await.after(Duration::from_millis(1))).await;
        assert_eq!(load(store, &created).await, None);
        assert_eq!(load(store, &replaced).await, None);
    }
}

/// A long lifetime does not overflow.
async fn a_lifetime_of_a_hundred_years_works<S: SessionStore>(store: &S) {
    let century = Duration::from_secs(100 * 366 * 24 * 60 * 60);
    let key = fresh("century");
    create(store, &key, "old", century).await;
    let replaced = store.replace(&key, &whole("old"), "new".into(), century).await.expect("replace");
    assert_eq!(replaced, Replaced::Stored);
    store.purge_expired().await.expect("purge_expired");
    assert_eq!(load(store, &key).await.as_deref(), Some(&b"new"[..]));
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done);
}

/// `purge_expired` removes no live entry.
async fn purging_keeps_what_lives<S: SessionStore>(store: &S) {
    let (live, dead) = (fresh("live"), fresh("dead"));
    create(store, &live, "value", TTL).await;
    create(store, &dead, "value", Duration::from_millis(1)).await;
    pass(store, now(store).await.after(Duration::from_millis(1))).await;
    store.purge_expired().await.expect("purge_expired");
    assert_eq!(load(store, &live).await.as_deref(), Some(&b"value"[..]));
    assert_eq!(load(store, &dead).await, None);
}

/// The clock counts milliseconds since the Unix epoch and does not jump between two calls.
async fn time_is_the_time_of_day_and_goes_on<S: SessionStore>(store: &S) {
    let first = now(store).await;
    assert!(first.0 > 1_700_000_000_000, "not milliseconds since the Unix epoch: {first:?}");
    assert!(first.0 < 10_000_000_000_000, "not milliseconds since the Unix epoch: {first:?}");
    let second = now(store).await;
    // A server's clock may be adjusted slightly; a minute is a jump.
    assert!(first.since(second) < Duration::from_secs(60), "{first:?}, then {second:?}");
    assert!(second.since(first) < Duration::from_secs(60), "{first:?}, then {second:?}");
    pass(store, second).await;
}
