//! Wire formats: how one fleet lays a session out.
//!
//! A profile knows the key of a session, the bytes under it, and which part of those bytes identifies a version. It
//! does no I/O. [`Profile::native`] is the format of this library, specified in `docs/wire-format.md`.

#[cfg(feature = "django")]
pub mod django;
mod native;

use bytes::Bytes;

use crate::{
    Client, Error,
    data::Entries,
    id::{Handle, Token},
    lifetime::Limits,
    store::{Seen, StoreTime},
};

/// How sessions are laid out in the store.
///
/// ```
/// let profile = shared_session::Profile::native("shop:");
/// ```
#[derive(Clone, Debug)]
pub struct Profile(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Native { prefix: Box<str> },
}

impl Default for Profile {
    /// The native profile with the prefix `session:`.
    fn default() -> Self {
        Self::native("session:")
    }
}

impl Profile {
    /// The format of this library. Every key starts with `prefix`: services that share sessions use the same one,
    /// others must not.
    #[must_use]
    pub fn native(prefix: impl Into<Box<str>>) -> Self {
        Self(Kind::Native { prefix: prefix.into() })
    }

    pub(crate) fn prefix(&self) -> &str {
        match &self.0 {
            Kind::Native { prefix } => prefix,
        }
    }

    pub(crate) fn session_key(&self, handle: &Handle) -> String {
        [self.prefix(), handle.as_str()].concat()
    }

    /// The key of the index of a user's sessions. A handle has no `:`, so it is never a session's key.
    pub(crate) fn index_key(&self, user_id: &str) -> String {
        [self.prefix(), "user:", user_id].concat()
    }

    /// The handle in a session's key; `None` for every other key.
    pub(crate) fn handle_of(&self, key: &str) -> Option<Handle> {
        Handle::parse(key.strip_prefix(self.prefix())?)
    }

    pub(crate) fn decode(&self, bytes: &Bytes) -> Result<Record, Error> {
        native::decode(bytes)
    }

    pub(crate) fn encode(&self, head: &Head, entries: &Entries) -> Result<Bytes, Error> {
        native::encode(head, entries)
    }

    /// The part that holds the secret's hash, of bytes that may be unreadable otherwise.
    pub(crate) fn secret_part(&self, bytes: &Bytes) -> Seen {
        native::secret_part(bytes)
    }
}

/// Everything in a record but the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many commits made this version.
    pub(crate) commit: u64,
    /// The random tag of the commit that wrote this version.
    pub(crate) tag: String,
    pub(crate) secret_hash: String,
    /// When the secret was last replaced; zero if never.
    pub(crate) rotated: StoreTime,
    pub(crate) limits: Limits,
    pub(crate) user: Option<Identity>,
    pub(crate) client: Client,
}

/// One version of a session, decoded.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    pub(crate) entries: Entries,
    bytes: Bytes,
}

impl Record {
    /// What a write compares: the commit counter and tag.
    pub(crate) fn version(&self) -> Seen {
        native::version_part(&self.bytes)
    }

    /// What a deletion compares: the secret's hash.
    pub(crate) fn secret(&self) -> Seen {
        native::secret_part(&self.bytes)
    }

    /// The record that `bytes` are, known without decoding them: they were made of `head` and `entries`.
    pub(crate) fn written(head: Head, entries: Entries, bytes: Bytes) -> Self {
        Self { head, entries, bytes }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("commit", &self.head.commit).finish_non_exhaustive()
    }
}

/// Who is signed in, and what ties the session to that user's row: a session whose marks no longer match is anonymous.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user's primary key as text.
    pub user_id: String,
    /// Derived from the password column, so that a new password ends every session.
    pub auth_hash: String,
    /// Raised in the user's row to end every session.
    pub epoch: i64,
}

impl Identity {
    /// The user `user_id` with the marks of their row.
    #[must_use]
    pub fn new(user_id: impl Into<String>, auth_hash: impl Into<String>, epoch: i64) -> Self {
        Self { user_id: user_id.into(), auth_hash: auth_hash.into(), epoch }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl Token {
    pub(crate) fn key(&self, profile: &Profile) -> String {
        profile.session_key(&self.handle)
    }
}
