//! Reads any record with serde: records of other programs, and names and texts with escapes.

use std::{fmt, ops::Range};

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    error::Error,
    record::{
        client::Client,
        content::Head,
        entries::{Entries, Json},
        id::SecretHash,
        identity::Identity,
        native::layout::{COMMIT, Found, OwnExpiry, SEALED_START, SECRET, START, TAG, commit, limits, unreadable},
        previous::Previous,
        time::StoreTime,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    #[serde(rename = "v")]
    _format: u8,
    #[serde(borrow)]
    n: &'a str,
    #[serde(borrow)]
    t: &'a str,
    #[serde(borrow)]
    s: &'a str,
    r: u64,
    c: u64,
    k: u64,
    i: u64,
    x: u64,
    o: Option<OwnExpiry>,
    p: Option<StoredPrevious>,
    u: Option<StoredUser>,
    d: StoredClient,
    #[serde(borrow)]
    e: StoredEntries<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPrevious {
    s: String,
    r: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUser {
    id: String,
    hash: String,
    epoch: i64,
    #[serde(default)]
    at: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClient {
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    agent: Option<String>,
}

/// Entries in stored order, so that a duplicate name is noticed.
struct StoredEntries<'a>(Vec<(Box<str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for StoredEntries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Box<str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of entries")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs).map(Self)
    }
}

pub(super) fn read(bytes: &Bytes) -> Result<Found, Error> {
    if bytes.starts_with(SEALED_START) {
        return Err(unreadable(
            "it is sealed, and this service has no keys for it: use Profile::sealed with the keys of the fleet",
        ));
    }
    if !bytes.starts_with(START) {
        return Err(unreadable("it does not start as a session record of format version 1 does"));
    }
    let stored: Stored<'_> = serde_json::from_slice(bytes).map_err(|error| {
        // The position only: serde's messages may quote stored values.
        unreadable(format!("{:?} error at column {}", error.classify(), error.column()))
    })?;
    let at = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    if at(COMMIT) != stored.n.as_bytes() || at(TAG) != stored.t.as_bytes() || at(SECRET) != stored.s.as_bytes() {
        return Err(unreadable("its first members do not have their fixed width"));
    }
    commit(stored.n.as_bytes())?;
    let entries = stored
        .e
        .0
        .into_iter()
        .map(|(name, value)| (name, Json::from_text(bytes.slice_ref(value.get().as_bytes()))))
        .collect();
    let limits = limits([stored.c, stored.k, stored.i, stored.x], stored.o.as_ref());
    let signed_in = StoreTime(stored.u.as_ref().map_or(0, |user| user.at));
    let user = stored.u.map(|user| Identity { user_id: user.id, auth_hash: user.hash, epoch: user.epoch });
    let client = Client::from_stored(stored.d.address, stored.d.agent);
    // A text of another length or with other characters is not the hash of a secret, and is not written back.
    let previous = stored.p.and_then(|previous| {
        let secret_hash = SecretHash::parse(previous.s.as_bytes())?;
        Some(Box::new(Previous { secret_hash, replaced: StoreTime(previous.r) }))
    });
    Ok(Found {
        previous,
        rotated: StoreTime(stored.r),
        head: Head { limits: limits.signed_in_at(signed_in), user, client },
        entries: Entries::new(entries).ok_or_else(|| unreadable("an entry name occurs twice"))?,
    })
}
