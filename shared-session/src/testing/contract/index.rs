//! The index of a user's sessions.

use std::{collections::BTreeSet, time::Duration};

use super::steps::{TTL, for_each, fresh, now, pass};
use crate::store::{SessionStore, StoreTime};

rules!(
    "index":
    members_are_added_listed_and_removed,
    indexes_stay_apart,
    absent_members_are_no_error,
    a_deadline_only_grows,
    members_past_their_deadline_are_not_listed,
    a_short_member_does_not_shorten_the_index,
    an_index_holds_hundreds_of_members,
    odd_members_survive,
);

const SHORT: Duration = Duration::from_millis(200);
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

async fn add<S: SessionStore>(store: &S, index: &str, member: &str, deadline: StoreTime) {
    store.index_add(index, member, deadline).await.expect("index_add");
}

/// The members; a member listed twice fails the rule.
async fn list<S: SessionStore>(store: &S, index: &str) -> BTreeSet<String> {
    let members = store.index_list(index).await.expect("index_list");
    let count = members.len();
    let members: BTreeSet<_> = members.into_iter().collect();
    assert_eq!(members.len(), count, "a member is listed twice");
    members
}

async fn remove<S: SessionStore>(store: &S, index: &str, members: &[&str]) {
    let members: Vec<_> = members.iter().copied().map(String::from).collect();
    store.index_remove(index, &members).await.expect("index_remove");
}

fn set(members: &[&str]) -> BTreeSet<String> {
    members.iter().copied().map(String::from).collect()
}

/// A member that was added is listed once, until it is removed.
async fn members_are_added_listed_and_removed<S: SessionStore>(store: &S) {
    let index = fresh("index");
    let later = now(store).await.after(TTL);
    for member in ["a", "b", "c", "b"] {
        add(store, &index, member, later).await;
    }
    assert_eq!(list(store, &index).await, set(&["a", "b", "c"]));
    remove(store, &index, &["a", "c"]).await;
    assert_eq!(list(store, &index).await, set(&["b"]));
    remove(store, &index, &["b"]).await;
    assert_eq!(list(store, &index).await, set(&[]));
    add(store, &index, "b", later).await;
    assert_eq!(list(store, &index).await, set(&["b"]));
    remove(store, &index, &["b"]).await;
}

/// An index contains only its own members.
async fn indexes_stay_apart<S: SessionStore>(store: &S) {
    let (one, other) = (fresh("one"), fresh("other"));
    let later = now(store).await.after(TTL);
    add(store, &one, "a", later).await;
    add(store, &other, "a", later).await;
    add(store, &other, "b", later).await;
    remove(store, &other, &["a"]).await;
    assert_eq!(list(store, &one).await, set(&["a"]));
    assert_eq!(list(store, &other).await, set(&["b"]));
}

/// Listing an unknown index and removing absent members are not errors.
async fn absent_members_are_no_error<S: SessionStore>(store: &S) {
    let index = fresh("absent");
    assert_eq!(list(store, &index).await, set(&[]));
    remove(store, &index, &["a", "b"]).await;
    remove(store, &index, &[]).await;
    add(store, &index, "a", now(store).await.after(TTL)).await;
    remove(store, &index, &["b"]).await;
    remove(store, &index, &[]).await;
    assert_eq!(list(store, &index).await, set(&["a"]));
}

/// A later deadline replaces an earlier one, and not the reverse.
async fn a_deadline_only_grows<S: SessionStore>(store: &S) {
    let index = fresh("grows");
    let start = now(store).await;
    add(store, &index, "shortened", start.after(TTL)).await;
    add(store, &index, "shortened", start.after(SHORT)).await;
    add(store, &index, "lengthened", start.after(SHORT)).await;
    add(store, &index, "lengthened", start.after(TTL)).await;
    pass(store, start.after(SHORT)).await;
    assert_eq!(list(store, &index).await, set(&["shortened", "lengthened"]));
}

/// A member is listed until its deadline, even across purges; a member added after its deadline is never listed.
async fn members_past_their_deadline_are_not_listed<S: SessionStore>(store: &S) {
    let index = fresh("past");
    let start = now(store).await;
    add(store, &index, "long", start.after(TTL)).await;
    add(store, &index, "short", start.after(SHORT)).await;
    add(store, &index, "past", StoreTime(start.0 - 1000)).await;
    add(store, &index, "never", StoreTime(0)).await;
    let listed = list(store, &index).await;
    if now(store).await < start.after(SHORT) {
        assert_eq!(listed, set(&["long", "short"]));
    }
    pass(store, start.after(SHORT)).await;
    assert_eq!(list(store, &index).await, set(&["long"]));
    store.purge_expired().await.expect("purge_expired");
    assert_eq!(list(store, &index).await, set(&["long"]));
}

/// The index lives as long as its longest-living member, regardless of the order of additions.
async fn a_short_member_does_not_shorten_the_index<S: SessionStore>(store: &S) {
    let index = fresh("longest");
    let start = now(store).await;
    add(store, &index, "century", start.after(CENTURY)).await;
    add(store, &index, "short", start.after(SHORT)).await;
    add(store, &index, "past", StoreTime(1)).await;
    pass(store, start.after(SHORT)).await;
    remove(store, &index, &["short"]).await;
    assert_eq!(list(store, &index).await, set(&["century"]));
    remove(store, &index, &["century"]).await;
}

/// 500 members are added concurrently, listed, and removed by one call.
async fn an_index_holds_hundreds_of_members<S: SessionStore + Clone>(store: &S) {
    let index = fresh("hundreds");
    let later = now(store).await.after(TTL);
    let members: Vec<_> = (0..500).map(|number| format!("{number}")).collect();
    for_each(&members, |member| {
        let (store, index) = (store.clone(), index.clone());
        async move { add(&store, &index, &member, later).await }
    })
    .await;
    assert_eq!(list(store, &index).await, members.iter().cloned().collect());
    store.index_remove(&index, &members).await.expect("index_remove");
    assert_eq!(list(store, &index).await, set(&[]));
}

/// Members are compared exactly, as keys are.
async fn odd_members_survive<S: SessionStore>(store: &S) {
    let index = fresh("odd");
    let later = now(store).await.after(TTL);
    let odd = [" ", "a", "A", "a ", "%", "*", "'", "\"", "\\", "{}", "a,b", "[\"a\"]", "\r\n", "é", "e\u{301}", "🔑"];
    for member in odd {
        add(store, &index, member, later).await;
    }
    assert_eq!(list(store, &index).await, set(&odd));
    remove(store, &index, &odd[1..]).await;
    assert_eq!(list(store, &index).await, set(&odd[..1]));
    remove(store, &index, &odd).await;
}
