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
//! | `o` | only if the session has its own expiry: its kind, and the absolute limit without it |
//! | `p` | only for a minute after the same user's secret was replaced: its hash as `s`, and `r` again |
//! | `u` | `null`, or the user: `{"id":…,"hash":…,"epoch":…,"at":…}`; `at`, when they signed in, only if known |
//! | `d` | the device: `{"address":…,"agent":…}` |
//! | `e` | the entries |
//!
//! Times are the store's, in milliseconds. A write compares `n` and `t`, a deletion `s`: bytes at fixed places.

use bytes::Bytes;

use super::{
    content::{Content, Form, Head, Ownership, Record},
    entries::{Entries, Json},
    id::{Handle, Secret, SecretHash, Token},
    lifetime::Lifetime,
    previous::Previous,
    time::StoreTime,
    version::Seen,
    wire_format::{Fit, Place, Stamp, WireFormat},
};
use crate::{
    decimal::Decimal,
    error::{Error, ErrorKind},
};

mod canonical;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod layout;
mod lenient;

use layout::{COMMIT, Found, OwnExpiry, SECRET, TAG, VERSION, commit};
#[cfg(feature = "encryption")]
pub(super) use layout::{HEAD, SEALED_START};
pub(super) use layout::{START, unreadable};

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

impl WireFormat for Native {
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

    fn throttle_prefix(&self) -> String {
        [&*self.prefix, "throttle:"].concat()
    }

    fn tombstone_key(&self, _: &Place) -> Option<String> {
        None
    }

    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool {
        true
    }

    fn may_sign_cookies(&self) -> bool {
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

    fn decode(&self, _: &str, bytes: &Bytes, _: &Lifetime, _: StoreTime) -> Result<Record, Error> {
        decode(bytes)
    }

    fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
        first(token, stamp, content)
    }

    fn next(
        &self,
        _: &str,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error> {
        next(base, secret, stamp, content)
    }

    fn touched(&self, _: &str, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error> {
        touched(base, stamp, Content { head, entries: base.entries.clone() })
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

/// The data that only native records hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark<'a> {
    /// The number of commits up to this version.
    commit: u64,
    /// The random tag of the commit that wrote this version.
    tag: &'a [u8],
    secret_hash: SecretHash,
    /// When the secret was last replaced; zero if never.
    rotated: StoreTime,
    previous: Option<Box<Previous>>,
}

pub(crate) fn place(prefix: &str, handle: Handle) -> Place {
    Place { handle, key: [prefix, handle.as_str()].concat(), other_member: None }
}

/// The setting with the prefix of the session under `key`, if it is the key of a session.
pub(crate) fn elsewhere(key: &str) -> Option<String> {
    let (prefix, handle) = key.split_at_checked(key.len().checked_sub(Handle::LEN)?)?;
    Handle::parse(handle).map(|_| format!("the key prefix is {prefix:?}"))
}

pub(crate) fn first(token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
    let secret_hash = token.secret.hash();
    let (rotated, previous) = (StoreTime::default(), None);
    write(Mark { commit: 1, tag: stamp.tag.as_bytes(), secret_hash, rotated, previous }, content)
}

pub(crate) fn next(
    base: &Record,
    secret: Option<&Secret>,
    stamp: &Stamp<'_>,
    content: Content,
) -> Result<Record, Error> {
    let before = mark(base)?;
    let replaced = secret.map(|_| before.secret_hash);
    let mark = Mark {
        commit: before.commit.saturating_add(1),
        tag: stamp.tag.as_bytes(),
        secret_hash: secret.map_or(before.secret_hash, Secret::hash),
        rotated: if secret.is_some() { stamp.now } else { before.rotated },
        previous: previous(base, &content.head, replaced, stamp.now),
    };
    write(mark, content)
}

pub(crate) fn touched(base: &Record, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
    let previous = previous(base, &content.head, None, stamp.now);
    write(Mark { previous, ..mark(base)? }, content)
}

/// The earlier secret that the next version, with `head`, after `base` keeps.
fn previous(base: &Record, head: &Head, replaced: Option<SecretHash>, now: StoreTime) -> Option<Box<Previous>> {
    let users = [base.user_id(), head.user.as_ref().map(|user| user.user_id.as_str())];
    Previous::after(base.previous(now).copied(), users, replaced, now).map(Box::new)
}

/// The mark of `record`, without the previous secret: [`previous`] decides whether the next version keeps it.
fn mark(record: &Record) -> Result<Mark<'_>, Error> {
    let bytes = &record.bytes;
    let marks = (bytes.get(COMMIT), bytes.get(TAG), bytes.get(SECRET).and_then(SecretHash::stored));
    let (Some(counter), Some(tag), Some(secret_hash)) = marks else {
        return Err(unreadable("it is not a native record"));
    };
    Ok(Mark { commit: commit(counter)?, tag, secret_hash, rotated: record.form.rotated, previous: None })
}

fn form(rotated: StoreTime, previous: Option<Box<Previous>>) -> Form {
    let (secret, tag) = (Some(SECRET), Some(TAG));
    Form { version: VERSION, secret, tag, rotated, previous, notes_use: true, unsealed: 0, document: None }
}

fn write(mark: Mark<'_>, Content { head, entries }: Content) -> Result<Record, Error> {
    let (bytes, body) = encode(&mark, &head, &entries)?;
    let entries = entries.moved_to(&bytes, body);
    Ok(Record { head, entries, form: form(mark.rotated, mark.previous), bytes })
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

pub(crate) fn decode(bytes: &Bytes) -> Result<Record, Error> {
    let found = match canonical::read(bytes) {
        Some(found) => found,
        None => lenient::read(bytes)?,
    };
    let Found { rotated, previous, head, entries } = found;
    Ok(Record { head, entries, form: form(rotated, previous), bytes: bytes.clone() })
}

/// The record, and the start of its entries.
fn encode(mark: &Mark<'_>, head: &Head, entries: &Entries) -> Result<(Bytes, usize), Error> {
    /// The length without texts and entries, with each number at its longest.
    const MOST: usize = 500;
    let limits = &head.limits;
    let user_len = head.user.as_ref().map_or(0, |user| user.user_id.len() + user.auth_hash.len());
    let client_len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let address = head.client.stored_address();
    let client_len = client_len(&address) + client_len(&head.client.user_agent);
    let entries_len = entries.as_text().map_or(0, <[u8]>::len);
    let mut bytes = Vec::with_capacity(MOST + user_len + client_len + entries_len);
    bytes.extend_from_slice(START);
    bytes.extend((0..16).rev().map(|digit| b"0123456789abcdef"[usize::from((mark.commit >> (4 * digit)) as u8 & 15)]));
    bytes.extend_from_slice(br#"","t":""#);
    bytes.extend_from_slice(mark.tag);
    bytes.extend_from_slice(br#"","s":""#);
    bytes.extend_from_slice(mark.secret_hash.as_bytes());
    bytes.push(b'"');
    let idle = u64::try_from(limits.idle.as_millis()).unwrap_or(u64::MAX);
    for (name, number) in [
        (br#","r":"#, mark.rotated.0),
        (br#","c":"#, limits.created.0),
        (br#","k":"#, limits.touched.0),
        (br#","i":"#, idle),
        (br#","x":"#, limits.deadline.0),
    ] {
        bytes.extend_from_slice(name);
        decimal(&mut bytes, number);
    }
    if let Some(own) = OwnExpiry::of(limits) {
        bytes.extend_from_slice(br#","o":{"kind":""#);
        bytes.extend_from_slice(own.kind.name().as_bytes());
        bytes.extend_from_slice(br#"","x":"#);
        decimal(&mut bytes, own.x);
        bytes.push(b'}');
    }
    if let Some(previous) = &mark.previous {
        bytes.extend_from_slice(br#","p":{"s":""#);
        bytes.extend_from_slice(previous.secret_hash.as_bytes());
        bytes.extend_from_slice(br#"","r":"#);
        decimal(&mut bytes, previous.replaced.0);
        bytes.push(b'}');
    }
    bytes.extend_from_slice(br#","u":"#);
    match &head.user {
        None => bytes.extend_from_slice(b"null"),
        Some(user) => {
            bytes.extend_from_slice(br#"{"id":"#);
            string(&mut bytes, &user.user_id)?;
            bytes.extend_from_slice(br#","hash":"#);
            string(&mut bytes, &user.auth_hash)?;
            bytes.extend_from_slice(br#","epoch":"#);
            if user.epoch < 0 {
                bytes.push(b'-');
            }
            decimal(&mut bytes, user.epoch.unsigned_abs());
            if limits.signed_in != StoreTime::default() {
                bytes.extend_from_slice(br#","at":"#);
                decimal(&mut bytes, limits.signed_in.0);
            }
            bytes.push(b'}');
        }
    }
    bytes.extend_from_slice(br#","d":{"#);
    let client = [(br#""address":"#.as_slice(), &address), (br#""agent":"#, &head.client.user_agent)];
    let mut is_first = true;
    for (name, text) in client {
        let Some(text) = text else { continue };
        if !std::mem::take(&mut is_first) {
            bytes.push(b',');
        }
        bytes.extend_from_slice(name);
        string(&mut bytes, text)?;
    }
    bytes.extend_from_slice(br#"},"e":{"#);
    let body = bytes.len();
    match entries.as_text() {
        Some(text) => bytes.extend_from_slice(text),
        None => list(&mut bytes, entries)?,
    }
    bytes.extend_from_slice(b"}}");
    Ok((bytes.into(), body))
}

fn list(bytes: &mut Vec<u8>, entries: &Entries) -> Result<(), Error> {
    for (at, (name, value)) in entries.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        string(bytes, name)?;
        bytes.push(b':');
        bytes.extend_from_slice(value.text().ok_or_else(|| not_json().of_entry(name))?);
    }
    Ok(())
}

fn string(bytes: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let failed = |_| Error::new(ErrorKind::Value, "the session cannot be written as a record");
    serde_json::to_writer(bytes, text).map_err(failed)
}

fn decimal(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(Decimal::of(number).as_bytes());
}

#[cfg(test)]
mod tests;
