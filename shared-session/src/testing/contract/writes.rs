//! Create, replace and delete, one caller at a time.

use super::steps::{TTL, create, fresh, load, replace, seen, whole};
use crate::store::{Deleted, Replaced, SessionStore};

rules!(
    "writes":
    an_absent_key_loads_as_none,
    create_stores_only_if_absent,
    replace_stores_a_new_value,
    replace_never_creates,
    replace_with_a_stale_part_answers_the_current_bytes,
    the_part_is_compared_at_its_place,
    replace_by_equal_bytes_is_stored,
    delete_removes_once,
    delete_with_a_wrong_part_refuses,
    delete_compares_the_part_alone,
);

/// An absent key is not an error.
async fn an_absent_key_loads_as_none<S: SessionStore>(store: &S) {
    let key = fresh("absent");
    assert_eq!(load(store, &key).await, None);
}

/// A second `create` returns `false` and changes nothing.
async fn create_stores_only_if_absent<S: SessionStore>(store: &S) {
    let key = fresh("create");
    create(store, &key, "first", TTL).await;
    assert!(!store.create(&key, "second".into(), TTL).await.expect("create"), "an existing key was created again");
    assert_eq!(load(store, &key).await.as_deref(), Some(&b"first"[..]));
}

/// `replace` stores shorter and longer values, repeatedly.
async fn replace_stores_a_new_value<S: SessionStore>(store: &S) {
    let key = fresh("replace");
    create(store, &key, "version-1", TTL).await;
    let mut current = "version-1".to_owned();
    for next in ["v2", "version-3 is longer than the one before", "version-4"] {
        assert_eq!(replace(store, &key, &whole(current), next).await, Replaced::Stored);
        assert_eq!(load(store, &key).await.as_deref(), Some(next.as_bytes()));
        current = next.to_owned();
    }
}

/// `replace` of an absent key is [`Replaced::Gone`], also after a delete.
async fn replace_never_creates<S: SessionStore>(store: &S) {
    let key = fresh("never-created");
    assert_eq!(replace(store, &key, &whole("old"), "new").await, Replaced::Gone);
    assert_eq!(load(store, &key).await, None);

    create(store, &key, "old", TTL).await;
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done);
    assert_eq!(replace(store, &key, &whole("old"), "new").await, Replaced::Gone);
    assert_eq!(load(store, &key).await, None);
}

/// A stale part changes nothing and returns the current value, from which the caller can continue.
async fn replace_with_a_stale_part_answers_the_current_bytes<S: SessionStore>(store: &S) {
    let key = fresh("stale");
    create(store, &key, "tag-1 a", TTL).await;
    assert_eq!(replace(store, &key, &seen("tag-1 a", 0..5), "tag-2 b").await, Replaced::Stored);

    let Replaced::Conflict(current) = replace(store, &key, &seen("tag-1 a", 0..5), "tag-3 c").await else {
        panic!("a stale write was stored");
    };
    assert_eq!(current, "tag-2 b");
    assert_eq!(load(store, &key).await.as_deref(), Some(&b"tag-2 b"[..]));
    assert_eq!(replace(store, &key, &seen(current, 0..5), "tag-3 c").await, Replaced::Stored);
}

/// The part is compared only at its position; a value too short to contain it differs.
async fn the_part_is_compared_at_its_place<S: SessionStore>(store: &S) {
    let key = fresh("place");
    create(store, &key, "tag-1 ......", TTL).await;
    for other in [seen("...... tag-1", 7..12), seen("tag-1 ......tag-1", 12..17), seen("TAG-1 ......", 0..5)] {
        let replaced = replace(store, &key, &other, "tag-2").await;
        assert_eq!(replaced, Replaced::Conflict("tag-1 ......".into()));
        let deleted = store.delete(&key, Some(&other)).await.expect("delete");
        assert_eq!(deleted, Deleted::Conflict("tag-1 ......".into()));
    }
    let middle = seen("tag-1 ......", 4..8);
    assert_eq!(replace(store, &key, &middle, "tag-2").await, Replaced::Stored);
}

/// Writing the stored value again is a write like any other.
async fn replace_by_equal_bytes_is_stored<S: SessionStore>(store: &S) {
    let key = fresh("equal");
    create(store, &key, "same", TTL).await;
    assert_eq!(replace(store, &key, &whole("same"), "same").await, Replaced::Stored);
    assert_eq!(load(store, &key).await.as_deref(), Some(&b"same"[..]));
}

/// The first `delete` deletes, later ones return `Gone`, and the key can be created again.
async fn delete_removes_once<S: SessionStore>(store: &S) {
    let key = fresh("delete");
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Gone);
    assert_eq!(store.delete(&key, Some(&whole("value"))).await.expect("delete"), Deleted::Gone);
    create(store, &key, "value", TTL).await;
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done);
    assert_eq!(load(store, &key).await, None);
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Gone);
    create(store, &key, "value", TTL).await;
    assert_eq!(store.delete(&key, Some(&whole("value"))).await.expect("delete"), Deleted::Done);
    assert_eq!(load(store, &key).await, None);
}

/// `delete` with a stale part deletes nothing and returns the current value.
async fn delete_with_a_wrong_part_refuses<S: SessionStore>(store: &S) {
    let key = fresh("delete-refused");
    create(store, &key, "tag-1 a", TTL).await;
    let deleted = store.delete(&key, Some(&seen("tag-0 a", 0..5))).await.expect("delete");
    assert_eq!(deleted, Deleted::Conflict("tag-1 a".into()));
    assert_eq!(load(store, &key).await.as_deref(), Some(&b"tag-1 a"[..]));
}

/// `delete` succeeds while the part is unchanged, even if the rest changed: a logout does not need the newest version.
async fn delete_compares_the_part_alone<S: SessionStore>(store: &S) {
    let key = fresh("delete-part");
    create(store, &key, "1 secret now with another rest", TTL).await;
    let deleted = store.delete(&key, Some(&seen("0 secret rest", 2..8))).await.expect("delete");
    assert_eq!(deleted, Deleted::Done);
    assert_eq!(load(store, &key).await, None);
}
