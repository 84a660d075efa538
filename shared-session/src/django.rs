//! Django's session formats: this library as one more member of a Django fleet.
//!
//! - **Django can still read every session.** Sessions are read in every variant of the fleet's engine and written back
//!   in the variant found, byte for byte where nothing changed.
//! - **No pickle is ever run.** Values that only Python understands are kept unchanged.
//! - **Django needs no changes**, and each step can be undone.
//!
//! # Example
//!
//! ```
//! use shared_session::{Profile, SessionManager, django::Django, store::MemoryStore};
//!
//! let fleet = Django::cache().with_key_prefix("shop").with_version(2);
//! let manager = SessionManager::new(MemoryStore::new()).with_profile(Profile::django(fleet));
//! ```
//!
//! # Concepts
//!
//! [`Django`] selects which of Django's session engines the fleet uses.
//!
//! - The cookie's value is the key of the session. Its [`Handle`](crate::Handle) is a hash of it.
//! - A sign-in moves the session to a new key and deletes the old one, as Django does.
//! - Lifetimes are Django's: a session lives for the idle time after the last write, or as set in its
//!   `_session_expiry`. Reading does not extend it, and there is no absolute limit.
//! - Django writes without comparing, so one of its slow requests can bring an ended session back. In the cache engines
//!   an ended session leaves a tombstone: this library never opens it again and deletes it on sight.
//! - Three entries are Django's (`_auth_user_id`, `_auth_user_backend`, `_auth_user_hash`) and one is ours
//!   (`_shared_session`: when the session started, when and where the user signed in). Handlers do not see them.
//!
//! # Python values
//!
//! Python values without a counterpart in JSON read as follows. [`Session::insert`](crate::Session::insert) replaces
//! such an entry by plain JSON, [`Session::update`](crate::Session::update) keeps it, and
//! [`Session::insert_python`](crate::Session::insert_python) writes Python values.
//!
//! | Python | Rust |
//! |---|---|
//! | `datetime`, `date`, `time` | ISO 8601 string with all digits; a named zone follows as `[Europe/Paris]` |
//! | `timedelta` | seconds, as a float |
//! | `Decimal`, `UUID`, `SafeString` | string |
//! | `tuple`, `set`, `frozenset`, `OrderedDict`, `defaultdict` | array, map |
//! | `bytes`, `bytearray` | array of numbers: `Vec<u8>` |
//! | `nan`, `inf` | `null`: `Option<f64>` |
//! | keys that are numbers, `True`, `None` | string |
//! | another object; a string with a lone surrogate | [`ErrorKind::Value`](crate::ErrorKind::Value) |
//!
//! # Cookbook
//!
//! - **Check the configuration**: [`SessionManager::check_fleet`](crate::SessionManager::check_fleet), before the
//!   service listens.
//! - **Users of the site**: [`SqlUsers`](crate::users::SqlUsers) with keys made by
//!   [`SecretKeys::django`](crate::SecretKeys::django).
//! - **Forms that both sides accept**: [`FormTokens::django`](crate::csrf::FormTokens::django).
//! - **Messages for the next page**: [`messages`].
//! - **`USE_TZ = False`**: [`Django::with_time_zone`].
//! - **Move a site over, route by route**: the [guide](crate::guide::django).
//!
//! # Features
//!
//! The feature `django` has the engines `cache`, `db`, `cached_db` and the package django-redis-sessions;
//! [`DjangoDbStore`] also needs `sqlite` or `postgres`, and [`DjangoCachedDbStore`] needs `redis` as well.
//! `django-redis` adds the compressors and serializers of that package.
//!
//! # What it does not do
//!
//! It does not read the engines `file` and `signed_cookies`, your own engines, or caches other than Redis. Its
//! guarantees are weaker than with the native profile, because Django does not compare before it writes.

mod codec;
mod compress;
mod document;
mod form_token;
#[cfg(all(any(fuzzing, test), feature = "django-redis"))]
pub(super) mod fuzzing;
mod head;
pub(crate) mod json;
mod legacy;
mod members;
pub mod messages;
#[cfg(feature = "django-redis")]
mod msgpack;
pub mod pickle;
mod profile;
mod python;
mod refusal;
pub(crate) mod signing;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod store;
mod value;
pub(crate) mod zone;

use std::fmt;

use bytes::Bytes;

pub use crate::django::zone::TimeZone;
use crate::{error::Error, keys::SecretKeys};
pub use codec::{Codec, Compression};
use document::{Document, Layout};
#[cfg(all(feature = "redis", any(feature = "postgres", feature = "sqlite")))]
pub use store::cached_db::DjangoCachedDbStore;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use store::db::DjangoDbStore;

/// The storage of the sessions of a Django fleet. The settings must equal those of the fleet;
/// [`SessionManager::check_fleet`](crate::SessionManager::check_fleet) checks them against the stored sessions.
#[derive(Clone)]
#[must_use]
pub struct Django {
    engine: Engine,
    key_prefix: Box<str>,
    version: u32,
    layout: Layout,
    auth_backend: Box<str>,
    zone: Option<TimeZone>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Cache,
    Db,
    CachedDb,
    RedisSessions,
}

impl Django {
    /// `SESSION_ENGINE = "django.contrib.sessions.backends.cache"` over Django's own `RedisCache`.
    pub fn cache() -> Self {
        Self::new(Engine::Cache, Layout::Cache(Codec::pickle()))
    }

    /// The same engine over the package django-redis. New sessions are pickles of protocol 4, its default; compressed
    /// sessions, JSON and MessagePack are also read.
    pub fn redis() -> Self {
        Self::new(Engine::Cache, Layout::Cache(Codec::pickle_protocol(4)))
    }

    /// `SESSION_ENGINE = "django.contrib.sessions.backends.db"`: rows of `django_session`, signed with the fleet's keys
    /// ([`SecretKeys::django`]). The store is [`DjangoDbStore`].
    pub fn db(keys: SecretKeys) -> Self {
        Self::new(Engine::Db, Layout::Signed(keys, Codec::json()))
    }

    /// `SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"`: as [`db`](Self::db), and a copy in the cache.
    /// The store is [`DjangoCachedDbStore`].
    pub fn cached_db(keys: SecretKeys) -> Self {
        Self::new(Engine::CachedDb, Layout::Signed(keys, Codec::json()))
    }

    /// The package django-redis-sessions: signed sessions in Redis, under the prefix and the session key.
    pub fn redis_sessions(keys: SecretKeys) -> Self {
        Self::new(Engine::RedisSessions, Layout::Signed(keys, Codec::json()))
    }

    fn new(engine: Engine, layout: Layout) -> Self {
        let auth_backend = "django.contrib.auth.backends.ModelBackend".into();
        Self { engine, key_prefix: "".into(), version: 1, layout, auth_backend, zone: None }
    }

    /// The cache's `KEY_PREFIX`; for django-redis-sessions, its `SESSION_REDIS_PREFIX`. Default: empty, as in Django.
    pub fn with_key_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// The cache's `VERSION`. Default: 1, as in Django.
    pub fn with_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// The codec of sessions that this service creates; existing ones keep theirs. Default: that of the engine without
    /// further settings.
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.layout = self.layout.with_codec(codec);
        self
    }

    /// The dotted path recorded at a sign-in; it must be one of the fleet's `AUTHENTICATION_BACKENDS`. Default:
    /// `django.contrib.auth.backends.ModelBackend`.
    pub fn with_auth_backend(mut self, path: impl Into<Box<str>>) -> Self {
        self.auth_backend = path.into();
        self
    }

    /// The fleet's `TIME_ZONE` if its `USE_TZ` is `False` (the default before Django 5.0): `set_expiry(datetime)` then
    /// stores a local time. Default: none, for `USE_TZ = True`; a session that ends at a local time is then unreadable,
    /// and [`SessionManager::check_fleet`](crate::SessionManager::check_fleet) reports it. Also set the zone on the
    /// users' table and on Django's tables ([`TimeZone`] lists the methods).
    ///
    /// ```
    /// use shared_session::django::{Django, TimeZone};
    ///
    /// let fleet = Django::cache().with_time_zone(TimeZone::named("America/Chicago")?);
    /// # drop(fleet); Ok::<(), shared_session::Error>(())
    /// ```
    pub fn with_time_zone(mut self, zone: TimeZone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The prefix of the keys of the cache's copies, for [`DjangoCachedDbStore`].
    #[must_use]
    pub fn cached_db_prefix(&self) -> String {
        self.cache_key("django.contrib.sessions.cached_db")
    }

    /// The cache's copy of a row, for [`DjangoCachedDbStore`]. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`](crate::ErrorKind::Unreadable) if the row cannot be decoded,
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if `codec` cannot represent a value.
    pub fn cached_db_copy(&self, row: &Bytes, codec: Codec) -> Result<Bytes, Error> {
        // The cache's copy is not signed, so it needs no time.
        Document::read(&self.layout, row)?.to_cache(codec)?.write(0)
    }

    fn cache_key(&self, name: &str) -> String {
        format!("{}:{}:{name}", self.key_prefix, self.version)
    }
}

impl fmt::Debug for Django {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Django")
            .field("engine", &self.engine)
            .field("key_prefix", &self.key_prefix)
            .field("version", &self.version)
            .field("codec", &self.layout.codec())
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}
