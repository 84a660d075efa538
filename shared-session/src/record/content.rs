//! One decoded version of a session: the content common to all formats, and the positions of the other parts in its
//! bytes.

use std::{any::Any, fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    client::Client, entries::Entries, id::Token, identity::Identity, lifetime::Limits, previous::Previous,
    time::StoreTime, version::Seen,
};

/// The metadata of a session, the same in every format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) limits: Limits,
    pub(crate) user: Option<Identity>,
    pub(crate) client: Client,
}

/// The content of a new version.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) head: Head,
    pub(crate) entries: Entries,
}

/// The comparison that limits a deletion to the session that was seen.
#[derive(Clone, Debug)]
pub(crate) enum Ownership {
    /// No comparison: knowledge of the key proves ownership.
    Key,
    /// The part of the record that holds the secret's hash.
    Part(Seen),
}

impl Ownership {
    pub(crate) fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Key => None,
            Self::Part(seen) => Some(seen),
        }
    }
}

/// One version of a session.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    pub(crate) entries: Entries,
    pub(crate) form: Form,
    pub(crate) bytes: Bytes,
}

/// The format-specific part of a version: positions in its bytes, and their meaning.
#[derive(Clone)]
pub(crate) struct Form {
    /// The part that differs in each version.
    pub(crate) version: Range<usize>,
    /// The hash of the secret; `None` if the key is the secret.
    pub(crate) secret: Option<Range<usize>>,
    /// The tag of the commit; `None` if versions carry none.
    pub(crate) tag: Option<Range<usize>>,
    /// When the secret was last replaced; zero if never or not known.
    pub(crate) rotated: StoreTime,
    /// The secret that the current one replaced, if it belonged to the same user. Boxed, because few versions have one.
    pub(crate) previous: Option<Box<Previous>>,
    /// Whether uses without a change are stored.
    pub(crate) notes_use: bool,
    /// The number of decrypted bytes held besides the stored ones.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only the near cache weighs records"))]
    pub(crate) unsealed: usize,
    /// The format's own view of the bytes, which it needs to write the next version.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native records are encoded from scratch"))]
    pub(crate) document: Option<Arc<dyn Any + Send + Sync>>,
}

impl Record {
    /// The bytes that a write compares: in the native profile the commit counter and tag, in Django's all of them.
    pub(crate) fn version(&self) -> Seen {
        Seen::new(self.bytes.clone(), self.form.version.clone())
    }

    /// The bytes that a deletion compares.
    pub(crate) fn ownership(&self) -> Ownership {
        match &self.form.secret {
            Some(secret) => Ownership::Part(Seen::new(self.bytes.clone(), secret.clone())),
            None => Ownership::Key,
        }
    }

    /// Whether the commit with `tag` wrote this version; always `false` if versions carry no tag.
    pub(crate) fn is_of(&self, tag: &str) -> bool {
        self.part(self.form.tag.as_ref()) == Some(tag.as_bytes())
    }

    /// Whether the cookie with `token` opens this version.
    pub(crate) fn opens_for(&self, token: &Token) -> bool {
        match &self.form.secret {
            Some(_) => self.secret_hash().is_some_and(|hash| token.secret.hash().is(hash)),
            None => true,
        }
    }

    /// Whether the cookie that opens this version opens `other` too.
    pub(crate) fn has_secret_of(&self, other: &Self) -> bool {
        self.secret_hash() == other.secret_hash()
    }

    /// When the secret was last replaced; zero if never or not known.
    pub(crate) fn rotated(&self) -> StoreTime {
        self.form.rotated
    }

    /// The secret that the current one replaced, if it is still valid at `now`.
    pub(crate) fn previous(&self, now: StoreTime) -> Option<&Previous> {
        self.form.previous.as_deref().filter(|previous| previous.counts(self.form.rotated, now))
    }

    /// Whether the cookie with `token`, which does not open this version, may still end its session at `now`.
    pub(crate) fn may_be_ended_by(&self, token: &Token, now: StoreTime) -> bool {
        self.head.user.is_some() && self.previous(now).is_some_and(|previous| previous.is_of(token))
    }

    /// When the session started, if the record contains it.
    pub(crate) fn started(&self) -> Option<StoreTime> {
        Some(self.head.limits.created).filter(|created| *created != StoreTime::default())
    }

    /// When its user signed in, if the record contains it.
    pub(crate) fn signed_in(&self) -> Option<StoreTime> {
        self.head.user.as_ref()?;
        Some(self.head.limits.signed_in).filter(|at| *at != StoreTime::default())
    }

    /// When the session was last used, if the record contains it.
    pub(crate) fn last_use(&self) -> Option<StoreTime> {
        self.form.notes_use.then_some(self.head.limits.touched)
    }

    pub(crate) fn user_id(&self) -> Option<&str> {
        self.head.user.as_ref().map(|user| user.user_id.as_str())
    }

    /// The approximate memory of the record, in bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn weight(&self) -> usize {
        /// The `Record`, its marks, and the bookkeeping of the cache.
        const FIXED: usize = 768;
        FIXED + self.bytes.len() + self.form.unsealed + self.entries.weight()
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn secret_hash(&self) -> Option<&[u8]> {
        self.part(self.form.secret.as_ref())
    }

    fn part(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        self.bytes.get(range?.clone())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}
