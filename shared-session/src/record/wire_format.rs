//! The decisions of a wire format.

use std::fmt;

use bytes::Bytes;

use super::{
    content::{Content, Head, Ownership, Record},
    entries::Json,
    id::{Handle, Secret, Token},
    lifetime::Lifetime,
    time::StoreTime,
};
use crate::error::Error;

/// A wire format: the keys and the bytes of sessions. It does no I/O.
pub(crate) trait WireFormat: fmt::Debug + Send + Sync {
    /// The token in a cookie's value, checked byte by byte; `None` if it is not a cookie of this format.
    fn parse_cookie(&self, value: &[u8]) -> Option<Token>;

    fn cookie_value(&self, token: &Token) -> String;

    fn new_token(&self) -> Result<Token, Error>;

    /// Where the session of `token` is.
    fn place(&self, token: &Token) -> Place;

    /// Where the session is that a user's index names `member`.
    fn place_of_member(&self, member: &str) -> Option<Place>;

    /// Where the session `handle` is, if its handle tells.
    fn place_of_handle(&self, handle: &Handle) -> Option<Place>;

    /// Where the session is that is stored under `key`; `None` for every other key.
    fn place_of_key(&self, key: &str) -> Option<Place> {
        self.place_of_member(key.strip_prefix(&*self.session_prefix())?)
    }

    /// The prefix of every session's key.
    fn session_prefix(&self) -> String;

    /// The key of the index of a user's sessions. It is never a session's key.
    fn index_key(&self, user_id: &str) -> String;

    /// What the keys of [throttled](crate::throttle) attempts start with. None of them is a session's.
    fn throttle_prefix(&self) -> String;

    /// The key of the mark that the session at `place` has ended; `None` where every writer compares first.
    fn tombstone_key(&self, place: &Place) -> Option<String>;

    /// Whether a record tells when it expires, so that it needs no store to know.
    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool;

    /// Whether a cookie may carry a tag of ours: every program of the fleet would have to know it.
    fn may_sign_cookies(&self) -> bool;

    /// Whether each write sends the cookie again, because each one puts off the session's end and there is no other
    /// limit.
    fn cookie_rolls(&self) -> bool;

    /// Whether a session keeps its expiry when a user signs in and asks for none.
    fn sign_in_keeps_expiry(&self) -> bool;

    /// Whether a rotated session moves to another key.
    fn rotation_moves(&self) -> bool;

    /// Reads the record that is stored under `key`. `lifetime` is that of sessions that do not say their own, `now` the
    /// time of the read.
    fn decode(&self, key: &str, bytes: &Bytes, lifetime: &Lifetime, now: StoreTime) -> Result<Record, Error>;

    /// The first version of a session.
    fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error>;

    /// The version that follows `base` under `key`; with `secret`, under a new one.
    fn next(
        &self,
        key: &str,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error>;

    /// `base` with a later use noted under `key`; to every other write it is the same version.
    fn touched(&self, key: &str, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error>;

    /// Whether the programs that wrote `record` would read what we write.
    fn fit(&self, record: &Record) -> Fit;

    /// When the record in `bytes` was written, where its form says so beside what it holds.
    fn written(&self, bytes: &Bytes) -> Option<StoreTime>;

    /// Which setting would find the session that is stored under `key`, if it is named like one of the same engine.
    fn elsewhere(&self, key: &str) -> Option<String>;

    /// Whether `bytes` under such a key are a session.
    fn recognizes(&self, bytes: &Bytes) -> bool;

    /// The bytes that a deletion by the owner of `token` compares, of bytes that may be unreadable; `None` if the token
    /// does not own them.
    fn owned(&self, token: &Token, bytes: &Bytes) -> Option<Ownership>;

    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if no session can hold `value`, as far as that is known before the
    /// record is.
    fn check(&self, value: &Json) -> Result<(), Error>;
}

/// The names of one session: its handle, its key in the store, and its member in the index of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) handle: Handle,
    pub(crate) key: String,
    /// Its member in the index, where that is another than the handle.
    pub(crate) other_member: Option<Box<str>>,
}

impl Place {
    /// Its member in the index of its user.
    pub(crate) fn member(&self) -> &str {
        self.other_member.as_deref().unwrap_or(self.handle.as_str())
    }
}

/// Distinguishes the versions of one commit from all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The random tag of the commit.
    pub(crate) tag: &'a str,
    pub(crate) now: StoreTime,
    /// The lifetime of sessions that do not say their own.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native records say their own"))]
    pub(crate) lifetime: &'a Lifetime,
}

impl Stamp<'_> {
    /// The tag of a commit that never looks for itself in what is stored.
    pub(crate) const UNTAGGED: &'static str = "";
}

/// Whether a session of the fleet is written as we would write it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Same,
    /// The rest of the fleet may not read what we write; the text says what to set.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "the native profile has one codec"))]
    OtherCodec(String),
}
