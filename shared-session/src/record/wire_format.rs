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

    /// The place of the session of `token`.
    fn place(&self, token: &Token) -> Place;

    /// The place of the session that is `member` of a user's index.
    fn place_of_member(&self, member: &str) -> Option<Place>;

    /// The place of the session `handle`, if the handle determines it.
    fn place_of_handle(&self, handle: &Handle) -> Option<Place>;

    /// The place of the session that is stored under `key`; `None` if it is not the key of a session.
    fn place_of_key(&self, key: &str) -> Option<Place> {
        self.place_of_member(key.strip_prefix(&*self.session_prefix())?)
    }

    /// The prefix of every session's key.
    fn session_prefix(&self) -> String;

    /// The key of the index of a user's sessions. It is never a session's key.
    fn index_key(&self, user_id: &str) -> String;

    /// The prefix of the keys of [throttled](crate::throttle) attempts. No session key starts with it.
    fn throttle_prefix(&self) -> String;

    /// The key of the tombstone of the session at `place`; `None` if every writer compares before writing.
    fn tombstone_key(&self, place: &Place) -> Option<String>;

    /// Whether a record contains its expiry, so that no store call is needed to know it.
    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool;

    /// Whether a cookie may carry our signature: every program of the fleet would have to read it.
    fn may_sign_cookies(&self) -> bool;

    /// Whether each write sends the cookie again, because each write extends the session and there is no other limit.
    fn cookie_rolls(&self) -> bool;

    /// Whether a session keeps its expiry when a user signs in without setting one.
    fn sign_in_keeps_expiry(&self) -> bool;

    /// Whether a rotated session moves to another key.
    fn rotation_moves(&self) -> bool;

    /// Reads the record that is stored under `key`. `lifetime` applies to sessions without their own, `now` is the time
    /// of the read.
    fn decode(&self, key: &str, bytes: &Bytes, lifetime: &Lifetime, now: StoreTime) -> Result<Record, Error>;

    /// The first version of a session.
    fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error>;

    /// The version that follows `base` under `key`; `secret` replaces the secret.
    fn next(
        &self,
        key: &str,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error>;

    /// `base` with a later last use, under `key`; other writes see it as the same version.
    fn touched(&self, key: &str, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error>;

    /// Whether the program that wrote `record` can read our records.
    fn fit(&self, record: &Record) -> Fit;

    /// When the record in `bytes` was written, if its format stores this separately.
    fn written(&self, bytes: &Bytes) -> Option<StoreTime>;

    /// The setting that would find the session stored under `key`, if the key has the form of a session key.
    fn elsewhere(&self, key: &str) -> Option<String>;

    /// Whether `bytes` under such a key are a session record.
    fn recognizes(&self, bytes: &Bytes) -> bool;

    /// The part of `bytes`, which may be unreadable, that a deletion by the owner of `token` compares; `None` if the
    /// token does not own them.
    fn owned(&self, token: &Token, bytes: &Bytes) -> Option<Ownership>;

    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if no session can hold `value`, as far as this can be checked
    /// before the record is encoded.
    fn check(&self, value: &Json) -> Result<(), Error>;
}

/// The names of one session: its handle, its key in the store, and its member in the index of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) handle: Handle,
    pub(crate) key: String,
    /// Its member in the index, if it differs from the handle.
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
    /// The lifetime of sessions without their own.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native records contain their own"))]
    pub(crate) lifetime: &'a Lifetime,
}

impl Stamp<'_> {
    /// The tag of a commit that never searches the stored version for its tag.
    pub(crate) const UNTAGGED: &'static str = "";
}

/// Whether the rest of the fleet can read our records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Same,
    /// The rest of the fleet may not be able to read our records; the text names the mismatch.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "the native profile has one codec"))]
    OtherCodec(String),
}
