//! The native record: one JSON object whose first members have a fixed width.
//!
//! ```text
//! {"v":1,"n":"000000000000002a","t":"<24>","s":"<43>","r":0,"c":…,"k":…,"i":…,"x":…,"u":null,"d":{},"e":{}}
//! ```
//!
//! | member | what |
//! |---|---|
//! | `v` | format version, 1 |
//! | `n` | commit counter, 16 hexadecimal digits |
//! | `t` | random tag of the commit that wrote this version, 24 characters of base64url |
//! | `s` | SHA-256 of the cookie's secret, 43 characters of base64url |
//! | `r` | when the secret was last replaced, or 0 |
//! | `c` `k` | start and last use |
//! | `i` `x` | idle limit as a duration, absolute limit as a time |
//! | `o` | only if the session has an expiry of its own: its kind, and the absolute limit without it |
//! | `u` | `null`, or the user: `{"id":…,"hash":…,"epoch":…}` |
//! | `d` | the device: `{"address":…,"agent":…}` |
//! | `e` | the entries |
//!
//! Times are the store's, in milliseconds. A write compares `n` and `t`, a deletion `s`: bytes at fixed places.

use std::{fmt, ops::Range, time::Duration};

use bytes::Bytes;
use serde::{
    Deserialize, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    client::Client,
    content::{Content, Form, Head, Ownership, Record},
    entries::{Entries, Json},
    expiry::Expiry,
    format::{Fit, Format, Place, Stamp},
    id::{Handle, Secret, Token},
    identity::Identity,
    lifetime::{Lifetime, Limits},
    time::StoreTime,
    version::Seen,
};
use crate::{Error, ErrorKind};

const VERSION_START: &[u8] = br#"{"v":1,"n":""#;
const COMMIT: Range<usize> = 12..28;
const TAG: Range<usize> = 35..59;
const VERSION: Range<usize> = COMMIT.start..TAG.end;
const SECRET: Range<usize> = 66..109;

/// The format of this library, under one key prefix.
#[derive(Debug)]
pub(crate) struct Native {
    prefix: Box<str>,
}

impl Native {
    pub(crate) fn new(prefix: Box<str>) -> Self {
        Self { prefix }
    }
}

impl Format for Native {
    fn parse_cookie(&self, value: &[u8]) -> Option<Token> {
        Token::parse(value)
    }

    fn cookie_value(&self, token: &Token) -> String {
        token.cookie_value()
    }

    fn new_token(&self) -> Result<Token, Error> {
        Token::random()
    }

    fn place(&self, token: &Token) -> Place {
        place(&self.prefix, token.handle)
    }

    fn place_of_member(&self, member: &str) -> Option<Place> {
        self.place_of_handle(&Handle::parse(member)?)
    }

    fn place_of_handle(&self, handle: &Handle) -> Option<Place> {
        Some(place(&self.prefix, *handle))
    }

    fn session_prefix(&self) -> String {
        self.prefix.to_string()
    }

    fn index_key(&self, user_id: &str) -> String {
        [&*self.prefix, "user:", user_id].concat()
    }

    fn tombstone_key(&self, _: &Place) -> Option<String> {
        None
    }

    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool {
        true
    }

    fn cookie_rolls(&self) -> bool {
        false
    }

    fn sign_in_keeps_expiry(&self) -> bool {
        false
    }

    fn rotation_moves(&self) -> bool {
        false
    }

    fn decode(&self, bytes: &Bytes, _: &Lifetime, _: StoreTime) -> Result<Record, Error> {
        decode(bytes)
    }

    fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
        first(token, stamp, content)
    }

    fn next(
        &self,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error> {
        next(base, secret, stamp, content)
    }

    fn touched(&self, base: &Record, head: Head, _: &Stamp<'_>) -> Result<Record, Error> {
        touched(base, Content { head, entries: base.entries.clone() })
    }

    fn fit(&self, _: &Record) -> Fit {
        Fit::Same
    }

    fn written(&self, _: &Bytes) -> Option<StoreTime> {
        None
    }

    fn elsewhere(&self, key: &str) -> Option<String> {
        elsewhere(key)
    }

    fn recognizes(&self, bytes: &Bytes) -> bool {
        decode(bytes).is_ok()
    }

    fn owned(&self, token: &Token, bytes: &Bytes) -> Option<Ownership> {
        owned(token, bytes)
    }

    fn check(&self, value: &Json) -> Result<(), Error> {
        check(value)
    }
}

/// What only native records hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// How many commits made this version.
    pub(crate) commit: u64,
    /// The random tag of the commit that wrote this version.
    pub(crate) tag: String,
    pub(crate) secret_hash: String,
    /// When the secret was last replaced; zero if never.
    pub(crate) rotated: StoreTime,
}

pub(crate) fn place(prefix: &str, handle: Handle) -> Place {
    Place { handle, key: [prefix, handle.as_str()].concat(), member: handle.to_string() }
}

/// Which prefix would find the session under `key`, if it is one.
pub(crate) fn elsewhere(key: &str) -> Option<String> {
    let (prefix, handle) = key.split_at_checked(key.len().checked_sub(Handle::LEN)?)?;
    Handle::parse(handle).map(|_| format!("the key prefix is {prefix:?}"))
}

pub(crate) fn first(token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
    let secret_hash = token.secret.hash();
    write(&Mark { commit: 1, tag: stamp.tag.to_owned(), secret_hash, rotated: StoreTime::default() }, content)
}

pub(crate) fn next(
    base: &Record,
    secret: Option<&Secret>,
    stamp: &Stamp<'_>,
    content: Content,
) -> Result<Record, Error> {
    let before = mark(base)?;
    let mark = Mark {
        commit: before.commit.saturating_add(1),
        tag: stamp.tag.to_owned(),
        secret_hash: secret.map_or_else(|| before.secret_hash.clone(), Secret::hash),
        rotated: if secret.is_some() { stamp.now } else { before.rotated },
    };
    write(&mark, content)
}

pub(crate) fn touched(base: &Record, content: Content) -> Result<Record, Error> {
    write(&mark(base)?, content)
}

fn mark(record: &Record) -> Result<Mark, Error> {
    let text = |part: Range<usize>| {
        let bytes = record.bytes.get(part).and_then(|bytes| std::str::from_utf8(bytes).ok());
        bytes.ok_or_else(|| unreadable("it is not a native record"))
    };
    Ok(Mark {
        commit: commit(text(COMMIT)?)?,
        tag: text(TAG)?.to_owned(),
        secret_hash: text(SECRET)?.to_owned(),
        rotated: record.form.rotated,
    })
}

fn commit(digits: &str) -> Result<u64, Error> {
    u64::from_str_radix(digits, 16).map_err(|_| unreadable("its commit counter is not a number"))
}

fn form(rotated: StoreTime) -> Form {
    Form { version: VERSION, secret: Some(SECRET), tag: Some(TAG), rotated, notes_use: true, document: None }
}

fn write(mark: &Mark, Content { head, entries }: Content) -> Result<Record, Error> {
    let bytes = encode(mark, &head, &entries)?;
    Ok(Record { head, entries, form: form(mark.rotated), bytes })
}

/// Only JSON can be in a record.
pub(crate) fn check(value: &Json) -> Result<(), Error> {
    value.text().map(drop).ok_or_else(not_json)
}

fn not_json() -> Error {
    Error::new(ErrorKind::Value, "a Python value that JSON does not have cannot be in a native record")
}

pub(crate) fn owned(token: &Token, bytes: &Bytes) -> Option<Ownership> {
    let seen = secret_part(bytes);
    (seen.part() == token.secret.hash().as_bytes()).then_some(Ownership::Part(seen))
}

fn secret_part(bytes: &Bytes) -> Seen {
    Seen::new(bytes.clone(), SECRET)
}

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
    o: Option<StoredExpiry>,
    u: Option<StoredUser>,
    d: StoredClient,
    #[serde(borrow)]
    e: StoredEntries<'a>,
}

#[derive(Serialize)]
struct Writing<'a> {
    v: u8,
    n: String,
    t: &'a str,
    s: &'a str,
    r: u64,
    c: u64,
    k: u64,
    i: u64,
    x: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<StoredExpiry>,
    u: Option<StoredUser>,
    d: StoredClient,
}

/// What was asked of the session; `i` and `x` hold what comes of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExpiry {
    kind: ExpiryKind,
    /// The absolute limit of the lifetime.
    x: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpiryKind {
    Browser,
    Idle,
    Time,
}

impl StoredExpiry {
    fn of(limits: &Limits) -> Option<Self> {
        let kind = match limits.expiry {
            Expiry::Configured => return None,
            Expiry::OnBrowserClose => ExpiryKind::Browser,
            Expiry::OnInactivity(_) => ExpiryKind::Idle,
            Expiry::At(_) => ExpiryKind::Time,
        };
        Some(Self { kind, x: limits.absolute.0 })
    }

    fn expiry(&self, idle: Duration, deadline: StoreTime) -> Expiry {
        match self.kind {
            ExpiryKind::Browser => Expiry::OnBrowserClose,
            ExpiryKind::Idle => Expiry::OnInactivity(idle),
            ExpiryKind::Time => Expiry::At(deadline.into()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUser {
    id: String,
    hash: String,
    epoch: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredClient {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

/// Entries in stored order, so that a name that comes twice is seen.
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

pub(crate) fn decode(bytes: &Bytes) -> Result<Record, Error> {
    if !bytes.starts_with(VERSION_START) {
        return Err(unreadable("it does not start as a session record of format version 1 does"));
    }
    let stored: Stored<'_> = serde_json::from_slice(bytes).map_err(|error| {
        // The position only: serde's messages may quote what is stored.
        unreadable(format!("{:?} error at column {}", error.classify(), error.column()))
    })?;
    let at = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    if at(COMMIT) != stored.n.as_bytes() || at(TAG) != stored.t.as_bytes() || at(SECRET) != stored.s.as_bytes() {
        return Err(unreadable("its first members do not have their fixed width"));
    }
    commit(stored.n)?;
    let entries = stored
        .e
        .0
        .into_iter()
        .map(|(name, value)| (name, Json::from_text(bytes.slice_ref(value.get().as_bytes()))))
        .collect();
    let (idle, deadline) = (Duration::from_millis(stored.i), StoreTime(stored.x));
    Ok(Record {
        head: Head {
            limits: Limits {
                created: StoreTime(stored.c),
                touched: StoreTime(stored.k),
                idle,
                deadline,
                expiry: stored.o.as_ref().map_or(Expiry::Configured, |asked| asked.expiry(idle, deadline)),
                absolute: stored.o.map_or(deadline, |asked| StoreTime(asked.x)),
            },
            user: stored.u.map(|user| Identity { user_id: user.id, auth_hash: user.hash, epoch: user.epoch }),
            client: Client::from_stored(stored.d.address, stored.d.agent),
        },
        entries: Entries::new(entries).ok_or_else(|| unreadable("an entry comes twice"))?,
        form: form(StoreTime(stored.r)),
        bytes: bytes.clone(),
    })
}

fn encode(mark: &Mark, head: &Head, entries: &Entries) -> Result<Bytes, Error> {
    let limits = &head.limits;
    let writing = Writing {
        v: 1,
        n: format!("{:016x}", mark.commit),
        t: &mark.tag,
        s: &mark.secret_hash,
        r: mark.rotated.0,
        c: limits.created.0,
        k: limits.touched.0,
        i: u64::try_from(limits.idle.as_millis()).unwrap_or(u64::MAX),
        x: limits.deadline.0,
        o: StoredExpiry::of(limits),
        u: head.user.clone().map(|user| StoredUser { id: user.user_id, hash: user.auth_hash, epoch: user.epoch }),
        d: StoredClient { address: head.client.stored_address(), agent: head.client.user_agent.clone() },
    };
    let failed = |_| Error::new(ErrorKind::Value, "the session cannot be written as a record");
    let mut bytes = serde_json::to_vec(&writing).map_err(failed)?;
    // The entries are JSON already: they go in before the closing brace as they are.
    bytes.pop();
    bytes.extend_from_slice(br#","e":{"#);
    for (at, (name, value)) in entries.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, name).map_err(failed)?;
        bytes.push(b':');
        let text = value.text().ok_or_else(|| not_json().of_entry(name))?;
        bytes.extend_from_slice(text);
    }
    bytes.extend_from_slice(b"}}");
    Ok(bytes.into())
}

fn unreadable(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Unreadable, format!("a session record is unreadable: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark() -> Mark {
        Mark { commit: 42, tag: "T".repeat(24), secret_hash: "S".repeat(43), rotated: StoreTime(0) }
    }

    fn head() -> Head {
        Head {
            limits: Limits {
                created: StoreTime(1_700_000_000_000),
                touched: StoreTime(1_700_000_001_000),
                idle: Duration::from_secs(60),
                deadline: StoreTime(1_700_000_900_000),
                expiry: Expiry::Configured,
                absolute: StoreTime(1_700_000_900_000),
            },
            user: Some(Identity::new("1", "hash", 3)),
            client: Client::new(Some([127, 0, 0, 1].into()), Some("curl/8")),
        }
    }

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        Entries::new(pairs.iter().map(|(k, v)| ((*k).into(), Json::from_text(Bytes::from(v.to_string())))).collect())
            .unwrap()
    }

    const GOLDEN: &str = concat!(
        r#"{"v":1,"n":"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT","#,
        r#""s":"SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS","r":0,"c":1700000000000,"k":1700000001000,"#,
        r#""i":60000,"x":1700000900000,"u":{"id":"1","hash":"hash","epoch":3},"#,
        r#""d":{"address":"127.0.0.1","agent":"curl/8"},"e":{"a":[1,2],"b":"two"}}"#
    );

    #[test]
    fn the_bytes_are_golden() {
        let bytes = encode(&mark(), &head(), &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), GOLDEN);
        let record = decode(&bytes).unwrap();
        assert_eq!(record.head, head());
        assert_eq!(record.entries.get("b").unwrap().decode::<String>().unwrap(), "two");
        assert_eq!(super::mark(&record).unwrap(), mark());
        assert_eq!(record.version().part(), br#"000000000000002a","t":"TTTTTTTTTTTTTTTTTTTTTTTT"#);
        assert_eq!(secret_part(&bytes).part(), "S".repeat(43).as_bytes());
    }

    #[test]
    fn an_address_that_is_none_reads_as_unknown() {
        let record = decode(&Bytes::from(GOLDEN.replace("127.0.0.1", "the proxy"))).unwrap();
        assert_eq!(record.head.client, Client::new(None, Some("curl/8")));
    }

    #[test]
    fn an_expiry_is_one_member_more_and_its_bytes_are_golden() {
        let absolute = StoreTime(1_700_000_500_000);
        for (expiry, member) in [
            (Expiry::OnBrowserClose, r#""o":{"kind":"browser","x":1700000500000},"#),
            (Expiry::OnInactivity(Duration::from_secs(60)), r#""o":{"kind":"idle","x":1700000500000},"#),
            (Expiry::At(StoreTime(1_700_000_900_000).into()), r#""o":{"kind":"time","x":1700000500000},"#),
        ] {
            let mut head = head();
            head.limits = Limits { expiry, absolute, ..head.limits };
            let golden = GOLDEN.replace(r#""u":"#, &format!(r#"{member}"u":"#));
            let bytes = encode(&mark(), &head, &entries(&[("b", r#""two""#), ("a", "[1,2]")])).unwrap();
            assert_eq!(std::str::from_utf8(&bytes).unwrap(), golden);
            assert_eq!(decode(&bytes).unwrap().head, head);
            let unknown = Bytes::from(golden.replace(r#"{"kind":""#, r#"{"kind":"un"#));
            assert_eq!(decode(&unknown).unwrap_err().kind(), ErrorKind::Unreadable);
        }
    }

    #[test]
    fn every_truncation_is_unreadable() {
        for end in 0..GOLDEN.len() {
            let error = decode(&Bytes::from_static(&GOLDEN.as_bytes()[..end])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unreadable, "{end}");
        }
    }

    #[test]
    fn other_formats_and_versions_are_unreadable() {
        let golden = |from: &str, to: &str| Bytes::from(GOLDEN.replacen(from, to, 1));
        for bad in [
            golden(r#""v":1"#, r#""v":2"#),
            golden(r#""e":{"#, r#""z":0,"e":{"#),
            golden(r#"{"v":1,"#, r#"{ "v":1,"#),
            golden("TT", "T"),
            golden(r#""a":[1,2]"#, r#""b":[1,2]"#),
            golden("002a", "00zz"),
            golden(r#""i":60000"#, r#""i":-1"#),
            golden(r#""r":0,"#, ""),
            golden(r#"}}"#, r#"}} x"#),
            Bytes::from_static(b""),
            Bytes::from_static(b"garbage"),
            Bytes::from_static(b"\x80\x05}\x94."),
            Bytes::from_static(b"[]"),
            Bytes::from_static(b"null"),
        ] {
            assert_eq!(decode(&bad).unwrap_err().kind(), ErrorKind::Unreadable, "{bad:?}");
        }
    }

    #[test]
    fn deeply_nested_entries_are_kept_without_being_decoded() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let record = decode(&encode(&mark(), &head(), &entries(&[("deep", &deep)])).unwrap()).unwrap();
        assert_eq!(record.entries.get("deep").unwrap().text().unwrap(), deep.as_bytes());
        assert_eq!(
            record.entries.get("deep").unwrap().decode::<serde_json::Value>().unwrap_err().kind(),
            ErrorKind::Value
        );
    }

    #[test]
    fn errors_do_not_quote_the_record() {
        let bad = Bytes::from(GOLDEN.replace(r#""id":"1""#, r#""id":["hunter2"]"#));
        assert!(!format!("{:?}", decode(&bad).unwrap_err()).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes.into());
        }

        #[test]
        fn flipping_a_byte_never_panics_and_never_reads_as_another_session(at in 0..GOLDEN.len(), to in any::<u8>()) {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            bytes[at] = to;
            if let Ok(record) = decode(&bytes.clone().into()) {
                let again = encode(&super::mark(&record).unwrap(), &record.head, &record.entries).unwrap();
                prop_assert_eq!(decode(&again).unwrap().head, record.head);
            }
        }

        #[test]
        fn every_name_and_text_survives(name in ".*", text in ".*") {
            let value = Json::encode(&text).unwrap();
            let record = decode(&encode(&mark(), &head(), &Entries::new(vec![(name.as_str().into(), value)]).unwrap()).unwrap()).unwrap();
            prop_assert_eq!(record.entries.get(&name).unwrap().decode::<String>().unwrap(), text);
        }
    }
}
