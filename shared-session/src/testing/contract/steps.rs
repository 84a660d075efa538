//! Helpers that the rules share.

use std::{collections::BTreeSet, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use crate::store::{Replaced, Seen, SessionStore, StoreTime};

/// The rules of a module: their `NAMES`, and `run`, which runs those that `which` accepts.
macro_rules! rules {
    ($theme:literal: $($rule:ident),+ $(,)?) => {
        pub(super) const NAMES: &[&str] = &[$(concat!($theme, "::", stringify!($rule))),+];

        pub(super) async fn run<S: SessionStore + Clone>(store: &S, which: &(dyn Fn(&str) -> bool + Sync)) {
            // Boxed, because for a store made of stores all rules together would overflow a test's stack.
            $({
                let name = concat!($theme, "::", stringify!($rule));
                if which(name) {
                    super::steps::within_limit(name, Box::pin($rule(store))).await;
                }
            })+
        }
    };
}

/// Long enough for any rule, short enough to clean up after a failed one.
pub(super) const TTL: Duration = Duration::from_secs(300);

pub(super) async fn within_limit(rule: &'static str, run: impl Future<Output = ()>) {
    // Printed only if the test fails: the panic names a line, this names the rule.
    eprintln!("rule: {rule}");
    assert!(tokio::time::timeout(Duration::from_secs(120), run).await.is_ok(), "the rule `{rule}` did not end");
}

/// A fresh key prefix, so that rules and suites do not interfere.
pub(super) fn fresh(rule: &str) -> String {
    format!("contract:{:032x}:{rule}:", random())
}

pub(super) fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    u128::from_ne_bytes(bytes)
}

/// `value` as it was seen, identified by `part`.
pub(super) fn seen(value: impl Into<Bytes>, part: Range<usize>) -> Seen {
    Seen::new(value.into(), part)
}

/// `value` as it was seen, identified by all of its bytes.
pub(super) fn whole(value: impl Into<Bytes>) -> Seen {
    let value = value.into();
    let len = value.len();
    Seen::new(value, 0..len)
}

pub(super) async fn load<S: SessionStore>(store: &S, key: &str) -> Option<Bytes> {
    store.load(key).await.expect("load")
}

#[track_caller]
pub(super) fn assert_created(created: Result<bool, crate::error::Error>) {
    assert!(created.expect("create"), "an absent key was not created");
}

pub(super) async fn create<S: SessionStore>(store: &S, key: &str, value: impl Into<Bytes>, ttl: Duration) {
    assert_created(store.create(key, value.into(), ttl).await);
}

pub(super) async fn replace<S: SessionStore>(store: &S, key: &str, seen: &Seen, value: impl Into<Bytes>) -> Replaced {
    store.replace(key, seen, value.into(), TTL).await.expect("replace")
}

pub(super) async fn now<S: SessionStore>(store: &S) -> StoreTime {
    store.time().await.expect("time")
}

/// Waits until the store's clock is past `deadline`, without accessing a key.
pub(super) async fn pass<S: SessionStore>(store: &S, deadline: StoreTime) {
    // A store may round to its clock's tick.
    let deadline = deadline.after(Duration::from_millis(20));
    for _ in 0..6000 {
        if now(store).await > deadline {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store's clock does not move");
}

/// Runs `count` copies of `work` that start together.
pub(super) async fn together<F, T>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (barrier, work) = (Arc::clone(&barrier), work(number));
        tasks.spawn(async move {
            barrier.wait().await;
            work.await
        });
    }
    tasks.join_all().await
}

/// Runs `work` over all `names`, 25 at a time.
pub(super) async fn for_each<F: Future<Output = ()> + Send + 'static>(names: &[String], work: impl Fn(String) -> F) {
    for chunk in names.chunks(25) {
        together(chunk.len(), |number| work(chunk[number].clone())).await;
    }
}

/// All keys found by scanning `prefix`.
pub(super) async fn scan<S: SessionStore>(store: &S, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut from = None;
    for _ in 0..1_000_000 {
        let page = store.scan(prefix, from.as_deref()).await.expect("scan");
        found.extend(page.keys);
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
    panic!("scan does not end");
}
