//! Arbitrary values and keys, and the scan of keys.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::steps::{TTL, create, for_each, fresh, load, replace, scan, seen, whole};
use crate::store::{Deleted, Replaced, SessionStore};

rules!(
    "values":
    any_bytes_survive,
    an_empty_value_is_a_value,
    a_mebibyte_survives,
    a_large_value_changes_in_a_few_places,
    odd_keys_stay_apart,
    scan_takes_the_prefix_literally,
    scan_reaches_every_page,
    scan_of_nothing_ends,
);

/// Values are bytes: NUL, CRLF, quotes and invalid UTF-8 are stored, compared and returned unchanged.
async fn any_bytes_survive<S: SessionStore>(store: &S) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values: [&[u8]; 6] = [b"\0", b"a\0b", b"\r\n$-1\r\n", b"\xff\xfe\x80", b"'\"\\x00", &every_byte];
    for value in values {
        let key = fresh("bytes");
        let value = Bytes::copy_from_slice(value);
        create(store, &key, value.clone(), TTL).await;
        assert_eq!(load(store, &key).await, Some(value.clone()));
        assert_eq!(replace(store, &key, &whole("other bytes"), "new").await, Replaced::Conflict(value.clone()));
        let mut next = value.to_vec();
        next.extend_from_slice(b"\0\xff\r\n");
        assert_eq!(replace(store, &key, &whole(value.clone()), next.clone()).await, Replaced::Stored);
        assert_eq!(load(store, &key).await.as_deref(), Some(&*next));
        let tail = seen(next.clone(), value.len()..next.len());
        assert_eq!(store.delete(&key, Some(&tail)).await.expect("delete"), Deleted::Done);
    }
}

/// An empty value is stored like any other.
async fn an_empty_value_is_a_value<S: SessionStore>(store: &S) {
    let key = fresh("empty");
    create(store, &key, "", TTL).await;
    assert_eq!(load(store, &key).await, Some(Bytes::new()));
    assert!(!store.create(&key, "value".into(), TTL).await.expect("create"));
    assert_eq!(replace(store, &key, &whole("value"), "new").await, Replaced::Conflict(Bytes::new()));
    assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done);
}

/// A large value survives, and so does one large value replacing another.
async fn a_mebibyte_survives<S: SessionStore>(store: &S) {
    let key = fresh("mebibyte");
    let value = |first: u8| Bytes::from((0..1 << 20).map(|at: u32| first ^ at.to_le_bytes()[0]).collect::<Vec<_>>());
    create(store, &key, value(1), TTL).await;
    assert_eq!(load(store, &key).await, Some(value(1)));
    assert_eq!(replace(store, &key, &seen(value(1), 0..32), value(2)).await, Replaced::Stored);
    assert!(load(store, &key).await == Some(value(2)));
    let end = seen(value(2), (1 << 20) - 1..1 << 20);
    assert_eq!(store.delete(&key, Some(&end)).await.expect("delete"), Deleted::Done);
}

/// A large value that keeps its length and changes in a few places is stored like any other; a stale write of one is
/// refused.
async fn a_large_value_changes_in_a_few_places<S: SessionStore>(store: &S) {
    let key = fresh("places");
    let part = 20..44;
    let mut value: Vec<u8> = (b'a'..=b'p').cycle().take(20_308).collect();
    create(store, &key, value.clone(), TTL).await;
    for round in 1..=40 {
        let stale = seen(value.clone(), part.clone());
        value[part.clone()].fill(b'0' + round);
        // One byte at the start, one at the end, and two in between.
        let len = value.len();
        for at in [usize::from(round) * 37, len - usize::from(round), usize::from(round) * 499, usize::from(round)] {
            value[at] ^= 0x20;
        }
        assert_eq!(replace(store, &key, &stale, value.clone()).await, Replaced::Stored);
        assert!(load(store, &key).await.as_deref() == Some(&*value), "round {round}");
        let mut other = value.clone();
        other[10_000] ^= 1;
        let refused = replace(store, &key, &stale, other).await;
        assert!(refused == Replaced::Conflict(value.clone().into()), "a stale write was stored: {refused:?}");
    }
}

/// Keys are compared exactly: no pattern, no case folding, no trimming, no normalisation.
async fn odd_keys_stay_apart<S: SessionStore>(store: &S) {
    let base = fresh("odd");
    let long = "k".repeat(500);
    let odd = [
        "", " ", "  ", "a", "A", "a ", " a", "*", "?", "[a]", "%", "_", "\\", "{a}", "{b}", "'", "\"", ";--", "a:b",
        "\r\n", "\t", "é", "e\u{301}", "ß", "ss", "日本", "🔑", "\u{ffff}", &long,
    ];
    for name in odd {
        create(store, &format!("{base}{name}"), format!("value of {name}"), TTL).await;
    }
    for name in odd {
        let key = format!("{base}{name}");
        let value = format!("value of {name}");
        assert_eq!(load(store, &key).await.as_deref(), Some(value.as_bytes()), "key {name:?}");
        assert_eq!(replace(store, &key, &whole(value), name.to_owned()).await, Replaced::Stored, "key {name:?}");
    }
    let expected: BTreeSet<_> = odd.iter().map(|name| format!("{base}{name}")).collect();
    assert_eq!(scan(store, &base).await, expected);
    for name in odd {
        assert_eq!(store.delete(&format!("{base}{name}"), None).await.expect("delete"), Deleted::Done);
    }
    assert_eq!(scan(store, &base).await.len(), 0);
}

/// A prefix is literal: keys that merely resemble it do not match.
async fn scan_takes_the_prefix_literally<S: SessionStore>(store: &S) {
    const PREFIXES: [&str; 12] =
        ["50%:", "a_b:", "a*:", "a?b:", "[ab]:", "^[a]:", "a\\b:", "{t}:", "it's:", "é:", "z\u{10ffff}", "A:"];
    let base = fresh("scan");
    for prefix in PREFIXES {
        let expected: BTreeSet<_> = ["", "1", "2 3", "*"].iter().map(|name| format!("{base}{prefix}{name}")).collect();
        for key in &expected {
            create(store, key, "value", TTL).await;
        }
    }
    for decoy in ["50", "50x:1", "axb:1", "aab:1", "a:1", "b:1", "ab:1", "a\\\\b:1", "t:1", "e\u{301}:1", "z", "50%"] {
        create(store, &format!("{base}{decoy}"), "decoy", TTL).await;
    }
    for prefix in PREFIXES {
        let expected: BTreeSet<_> = ["", "1", "2 3", "*"].iter().map(|name| format!("{base}{prefix}{name}")).collect();
        assert_eq!(scan(store, &format!("{base}{prefix}")).await, expected, "prefix {prefix:?}");
    }
}

/// More keys than fit one page are all found, and nothing else.
async fn scan_reaches_every_page<S: SessionStore + Clone>(store: &S) {
    let base = fresh("pages");
    let keys: Vec<_> = (0..1100).map(|number| format!("{base}in:{number}")).collect();
    for_each(&keys, |key| {
        let store = store.clone();
        async move { create(&store, &key, "value", TTL).await }
    })
    .await;
    create(store, &format!("{base}im:0"), "before", TTL).await;
    create(store, &format!("{base}io:0"), "after", TTL).await;
    let found = scan(store, &format!("{base}in:")).await;
    assert_eq!(found.len(), keys.len());
    assert_eq!(found, keys.iter().cloned().collect());
    for_each(&keys, |key| {
        let store = store.clone();
        async move { assert_eq!(store.delete(&key, None).await.expect("delete"), Deleted::Done) }
    })
    .await;
    assert_eq!(scan(store, &format!("{base}in:")).await.len(), 0, "scan lists a deleted key");
}

/// A scan of a prefix without keys is empty.
async fn scan_of_nothing_ends<S: SessionStore>(store: &S) {
    assert_eq!(scan(store, &fresh("nothing")).await.len(), 0);
}
