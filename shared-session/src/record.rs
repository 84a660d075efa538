//! Wire formats: how one fleet lays a session out.
//!
//! A profile knows the key of a session, the bytes under it, and which part of those bytes identifies a version. It
//! does no I/O. [`Profile::native`] is the format of this library, specified in `docs/wire-format.md`.

pub(crate) mod client;
pub(crate) mod entries;
#[cfg(all(any(fuzzing, test), feature = "django-redis"))]
pub mod fuzzing;
pub(crate) mod id;
pub(crate) mod lifetime;
mod native;
pub(crate) mod time;
pub(crate) mod version;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use crate::{
    Error, Lifetime,
    record::{
        client::Client,
        entries::{Entries, Json},
        id::{Handle, Secret, Token},
        lifetime::Limits,
        time::StoreTime,
        version::Seen,
    },
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
    Native {
        prefix: Box<str>,
    },
    #[cfg(feature = "django")]
    Django(crate::django::Django),
}

impl Default for Profile {
    /// The native profile with the prefix `shared_session:`.
    fn default() -> Self {
        Self::native("shared_session:")
    }
}

/// Runs the same call on whichever profile there is: the native one by its prefix, Django's by its settings.
macro_rules! on {
    ($profile:expr, native($prefix:ident) => $native:expr, django($django:ident) => $other:expr $(,)?) => {
        match &$profile.0 {
            Kind::Native { prefix: $prefix } => $native,
            #[cfg(feature = "django")]
            Kind::Django($django) => $other,
        }
    };
}

/// Cookies and keys.
impl Profile {
    /// The format of this library. Every key starts with `prefix`: services that share sessions use the same one,
    /// others must not.
    #[must_use]
    pub fn native(prefix: impl Into<Box<str>>) -> Self {
        Self(Kind::Native { prefix: prefix.into() })
    }

    /// The sessions of a Django fleet.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(django: crate::django::Django) -> Self {
        Self(Kind::Django(django))
    }

    /// The token in a cookie's value, checked byte by byte; `None` if it is no cookie of this profile.
    pub(crate) fn parse_cookie(&self, value: &[u8]) -> Option<Token> {
        on!(self, native(_prefix) => Token::parse(value), django(_django) => crate::django::Django::parse_cookie(value))
    }

    pub(crate) fn cookie_value(&self, token: &Token) -> String {
        on!(self, native(_prefix) => token.cookie_value(), django(_django) => token.secret.as_str().to_owned())
    }

    pub(crate) fn new_token(&self) -> Result<Token, Error> {
        on!(self, native(_prefix) => Token::random(), django(_django) => crate::django::Django::new_token())
    }

    /// Where the session of `token` is.
    pub(crate) fn place(&self, token: &Token) -> Place {
        on!(
            self,
            native(prefix) => native::place(prefix, token.handle),
            django(django) => django.place(token),
        )
    }

    /// Where the session is that a user's index names `member`.
    pub(crate) fn place_of_member(&self, member: &str) -> Option<Place> {
        on!(
            self,
            native(prefix) => Some(native::place(prefix, Handle::parse(member)?)),
            django(django) => Some(django.place(&crate::django::Django::parse_cookie(member.as_bytes())?)),
        )
    }

    /// Where the session is that is stored under `key`; `None` for every other key.
    pub(crate) fn place_of_key(&self, key: &str) -> Option<Place> {
        self.place_of_member(key.strip_prefix(&*self.session_prefix())?)
    }

    /// Where the session `handle` is, if its handle tells.
    pub(crate) fn place_of_handle(&self, handle: &Handle) -> Option<Place> {
        on!(self, native(prefix) => Some(native::place(prefix, *handle)), django(_django) => None)
    }

    /// What the keys of all sessions start with.
    pub(crate) fn session_prefix(&self) -> String {
        on!(self, native(prefix) => prefix.to_string(), django(django) => django.session_prefix())
    }

    /// The key of the index of a user's sessions. It is never a session's key.
    pub(crate) fn index_key(&self, user_id: &str) -> String {
        on!(
            self,
            native(prefix) => [prefix, "user:", user_id].concat(),
            django(django) => django.index_key(user_id),
        )
    }

    /// The key of the mark that the session at `place` has ended; `None` where nobody writes without looking.
    pub(crate) fn tombstone_key(&self, place: &Place) -> Option<String> {
        on!(self, native(_prefix) => { let _ = place; None }, django(django) => django.tombstone_key(place))
    }

    /// Whether a record tells when it expires, so that it needs no store to know.
    #[cfg(feature = "redis")]
    pub(crate) fn says_expiry(&self) -> bool {
        on!(self, native(_prefix) => true, django(_django) => false)
    }

    /// Whether each write sends the cookie again, because each one puts off the session's end and there is no other limit.
    pub(crate) fn cookie_rolls(&self) -> bool {
        on!(self, native(_prefix) => false, django(_django) => true)
    }

    /// Whether a rotated session moves to another key.
    pub(crate) fn rotation_moves(&self) -> bool {
        on!(self, native(_prefix) => false, django(_django) => true)
    }
}

/// Records.
impl Profile {
    pub(crate) fn decode(&self, bytes: &Bytes, lifetime: &Lifetime, now: StoreTime) -> Result<Record, Error> {
        on!(
            self,
            native(_prefix) => { let _ = (lifetime, now); native::decode(bytes) },
            django(django) => django.decode(bytes, lifetime, now),
        )
    }

    /// The first version of a session.
    pub(crate) fn first(&self, token: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
        on!(
            self,
            native(_prefix) => native::first(token, stamp, content),
            django(django) => { let _ = token; django.first(stamp, content) },
        )
    }

    /// The version that follows `base`; with `secret`, under a new one.
    pub(crate) fn next(
        &self,
        base: &Record,
        secret: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error> {
        on!(
            self,
            native(_prefix) => native::next(base, secret, stamp, content),
            django(django) => { let _ = secret; django.next(base, stamp, content) },
        )
    }

    /// `base` with a later use noted; to every other write it is the same version.
    pub(crate) fn touched(&self, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error> {
        let content = Content { head, entries: base.entries.clone() };
        on!(
            self,
            native(_prefix) => { let _ = stamp; native::touched(base, content) },
            django(django) => django.next(base, stamp, content),
        )
    }

    /// Whether the programs that wrote `record` would read what we write.
    pub(crate) fn fit(&self, record: &Record) -> Fit {
        on!(self, native(_prefix) => { let _ = record; Fit::Same }, django(django) => django.fit(record))
    }

    /// When the record in `bytes` was written, where its form says so beside what it holds.
    pub(crate) fn written(&self, bytes: &Bytes) -> Option<StoreTime> {
        on!(self, native(_prefix) => { let _ = bytes; None }, django(django) => django.written(bytes))
    }

    /// Which setting would find the session that is stored under `key`, if it is named like one of the same engine.
    pub(crate) fn elsewhere(&self, key: &str) -> Option<String> {
        on!(self, native(_prefix) => native::elsewhere(key), django(django) => django.elsewhere(key))
    }

    /// Whether `bytes` under such a key are a session. Django's keys say enough: other bytes are in another codec.
    pub(crate) fn recognizes(&self, bytes: &Bytes) -> bool {
        on!(self, native(_prefix) => native::decode(bytes).is_ok(), django(_django) => { let _ = bytes; true })
    }

    /// What a deletion by the owner of `token` compares, of bytes that may be unreadable; `None` if the token does not
    /// own them.
    pub(crate) fn owned(&self, token: &Token, bytes: &Bytes) -> Option<Ownership> {
        on!(
            self,
            native(_prefix) => native::owned(token, bytes),
            django(_django) => { let _ = (token, bytes); Some(Ownership::Key) },
        )
    }
}

impl Profile {
    /// [`ErrorKind::Value`] if no session of this profile can hold `value`, as far as that is known before the record is.
    pub(crate) fn check(&self, value: &Json) -> Result<(), Error> {
        on!(
            self,
            native(_prefix) => native::check(value),
            django(_django) => value.check_floats(),
        )
    }
}

/// Whether a session of the fleet is written as we would write it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Same,
    /// The rest of the fleet may not read what we write; the text says what to set.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "the native profile has one codec"))]
    OtherCodec(String),
}

/// How long the browser is to keep the cookie of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieLife {
    AsConfigured,
    /// As long as it runs.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native sessions have no say"))]
    OfTheBrowser,
    /// Until the session ends, unless it is extended.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native sessions have no say"))]
    OfTheSession,
}

/// Where a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) handle: Handle,
    pub(crate) key: String,
    /// Its name in a user's index.
    pub(crate) member: String,
}

/// What a deletion must compare to hit nothing but the session that was seen.
#[derive(Clone, Debug)]
pub(crate) enum Ownership {
    /// Nothing: whoever knows the key owns the session.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "keys are secrets in Django's profiles only"))]
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

/// What tells the versions of one commit from all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    /// The random tag of the commit.
    pub(crate) tag: &'a str,
    pub(crate) now: StoreTime,
    /// The lifetime of sessions that do not say their own.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "native records say their own"))]
    pub(crate) lifetime: &'a Lifetime,
}

/// What a version says about its session, in every profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) limits: Limits,
    pub(crate) user: Option<Identity>,
    pub(crate) client: Client,
}

/// What a new version is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) head: Head,
    pub(crate) entries: Entries,
}

/// One version of a session, decoded.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    pub(crate) entries: Entries,
    pub(crate) form: Form,
    pub(crate) bytes: Bytes,
}

/// What only one profile knows of a version.
#[derive(Clone)]
pub(crate) enum Form {
    Native(native::Mark),
    #[cfg(feature = "django")]
    Django(std::sync::Arc<crate::django::Document>),
}

impl Record {
    /// What a write compares: in the native profile the commit counter and tag, in Django's everything.
    pub(crate) fn version(&self) -> Seen {
        match &self.form {
            Form::Native(_) => native::version_part(&self.bytes),
            #[cfg(feature = "django")]
            Form::Django(_) => Seen::new(self.bytes.clone(), 0..self.bytes.len()),
        }
    }

    /// What a deletion compares.
    pub(crate) fn ownership(&self) -> Ownership {
        match &self.form {
            Form::Native(_) => Ownership::Part(native::secret_part(&self.bytes)),
            #[cfg(feature = "django")]
            Form::Django(_) => Ownership::Key,
        }
    }

    /// Whether the commit with `tag` wrote this version; never where versions carry no tag.
    pub(crate) fn is_of(&self, tag: &str) -> bool {
        match &self.form {
            Form::Native(mark) => mark.tag == tag,
            #[cfg(feature = "django")]
            Form::Django(_) => false,
        }
    }

    /// Whether the cookie with `token` opens this version.
    pub(crate) fn opens_for(&self, token: &Token) -> bool {
        match &self.form {
            Form::Native(mark) => token.secret.hash().as_bytes().ct_eq(mark.secret_hash.as_bytes()).into(),
            #[cfg(feature = "django")]
            Form::Django(_) => true,
        }
    }

    /// Whether the cookie that opens this version opens `other` too.
    pub(crate) fn has_secret_of(&self, other: &Self) -> bool {
        match (&self.form, &other.form) {
            (Form::Native(mark), Form::Native(others)) => mark.secret_hash == others.secret_hash,
            #[cfg(feature = "django")]
            _ => true,
        }
    }

    /// How long the session itself wants its cookie to be kept.
    pub(crate) fn cookie_life(&self) -> CookieLife {
        match &self.form {
            Form::Native(_) => CookieLife::AsConfigured,
            #[cfg(feature = "django")]
            Form::Django(document) => crate::django::Django::cookie_life(document),
        }
    }

    /// When the secret was last replaced; zero if never or not known.
    pub(crate) fn rotated(&self) -> StoreTime {
        match &self.form {
            Form::Native(mark) => mark.rotated,
            #[cfg(feature = "django")]
            Form::Django(_) => StoreTime::default(),
        }
    }

    /// When the session started, if the record says so.
    pub(crate) fn started(&self) -> Option<StoreTime> {
        Some(self.head.limits.created).filter(|created| *created != StoreTime::default())
    }

    /// When the session was last used, if the record says so.
    pub(crate) fn last_use(&self) -> Option<StoreTime> {
        match &self.form {
            Form::Native(_) => Some(self.head.limits.touched),
            #[cfg(feature = "django")]
            Form::Django(_) => None,
        }
    }

    pub(crate) fn user_id(&self) -> Option<&str> {
        self.head.user.as_ref().map(|user| user.user_id.as_str())
    }

    /// About how many bytes of memory it takes.
    #[cfg(feature = "redis")]
    pub(crate) fn weight(&self) -> usize {
        /// The record itself, its marks, and what keeps track of it.
        const FIXED: usize = 768;
        const ENTRY: usize = size_of::<(Box<str>, Json)>();
        let names: usize = self.entries.iter().map(|(name, _)| name.len() + ENTRY).sum();
        FIXED + self.bytes.len() + names
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("len", &self.bytes.len()).finish_non_exhaustive()
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
