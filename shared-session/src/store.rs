//! Stores for sessions, and the contract for your own store.
//!
//! Rules for every store, which are the rules for every method of [`SessionStore`]:
//!
//! - Each write is one atomic step on one key. Concurrent calls behave as if they ran one after the other.
//! - Absent is not an error. A key whose lifetime has passed is absent.
//! - [`replace`](SessionStore::replace) and [`delete`](SessionStore::delete) never create a key.
//! - Every key has a lifetime at every moment.
//! - Failures are [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable); a write whose reply was lost is marked
//!   [`Error::undecided`], one that took too long [`Error::late`]. A store never retries a write.
//! - A value of the wrong kind under a key is [`ErrorKind::Unreadable`](crate::ErrorKind::Unreadable).
//! - Errors and logs never contain a key or a value.
//!
//! This page is the contract; the suite of the feature `testing`,
//! [`store_contract`](crate::testing::store_contract), checks it.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use shared_session::store::{Deleted, MemoryStore, Replaced, Seen, SessionStore};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
//! let (store, minute) = (MemoryStore::new(), Duration::from_secs(60));
//! assert!(store.create("key", "one".into(), minute).await?);
//!
//! let seen = Seen::new("one".into(), 0..3);
//! assert_eq!(store.replace("key", &seen, "two".into(), minute).await?, Replaced::Stored);
//! // What was seen is not there any more.
//! assert_eq!(store.replace("key", &seen, "three".into(), minute).await?, Replaced::Conflict("two".into()));
//! assert_eq!(store.delete("key", None).await?, Deleted::Done);
//! # Ok(()) }
//! ```
//!
//! # Which store
//!
//! | store | for |
//! |---|---|
//! | [`RedisStore`] | services that share sessions: one round trip to read or to write; Redis 6.2 or newer, Valkey, Sentinel, Cluster |
//! | [`SqlStore`] | sessions in PostgreSQL, or in a SQLite file on one machine |
//! | [`TieredStore`] | sessions that survive a Redis that loses its data: every write is in SQL before it is acknowledged |
//! | [`MemoryStore`] | tests, demos, and a single process that may forget its sessions |
//!
//! A store handles keys, bytes and lifetimes, not cookies, users or formats. A [`Seen`] is a version of a value; a
//! [`StoreTime`] is a time on the store's own clock.
//!
//! # Cookbook
//!
//! - **Your own store**: implement [`SessionStore`] and run [`store_contract`](crate::testing::store_contract) over it.
//!   The manager calls no other methods.
//! - **Wrap a store**, for example to add a prefix or metrics: forward every method, including those with a default.
//! - **Expired rows**: SQL keeps them until [`SqlStore::spawn_purge`]. Redis and memory remove them automatically.
//! - **Your own connections**: `RedisStore::from_pool` (feature `deadpool`), `SqlStore::from_postgres`,
//!   `SqlStore::from_sqlite`.
//!
//! # What is stored
//!
//! The records of the [`Profile`](crate::Profile), unchanged; no store reads or encrypts them (a
//! [sealed](crate::Profile::sealed) profile does). The page of each store lists its keys and tables.
//!
//! # What it does not do
//!
//! There is no store in the cookie, in MySQL or in MongoDB. Stores do not copy sessions to each other, except
//! [`TieredStore`]. Stores only report a conflict: the manager merges.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tracing::Instrument as _;

use crate::error::Error;

#[cfg(feature = "redis")]
pub(crate) mod change_feed;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod sql;
#[cfg(all(feature = "redis", any(feature = "postgres", feature = "sqlite")))]
mod tiered;

pub use crate::record::{time::StoreTime, version::Seen};
#[cfg(feature = "redis")]
pub use change_feed::ChangeFeed;
#[cfg(feature = "memory")]
pub use memory::MemoryStore;
#[cfg(feature = "redis")]
pub use redis::{Persistence, RedisConfig, RedisStore};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::SqlStore;
#[cfg(all(feature = "redis", any(feature = "postgres", feature = "sqlite")))]
pub use tiered::TieredStore;

/// The result of [`SessionStore::replace`].
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The new value is stored.
    Stored,
    /// Nothing changed: these are the bytes stored now.
    Conflict(Bytes),
    /// Nothing changed: the key is absent.
    Gone,
}

/// The result of [`SessionStore::delete`].
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub enum Deleted {
    /// The key existed and is deleted.
    Done,
    /// Nothing changed: these are the bytes stored now.
    Conflict(Bytes),
    /// The key was absent already.
    Gone,
}

impl fmt::Debug for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "Stored",
            Self::Conflict(_) => "Conflict(..)",
            Self::Gone => "Gone",
        })
    }
}

impl fmt::Debug for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Conflict(_) => "Conflict(..)",
            Self::Gone => "Gone",
        })
    }
}

/// One page of [`SessionStore::scan`].
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The keys found. During concurrent writes a key may be missed or occur twice, as with Redis `SCAN`.
    pub keys: Vec<String>,
    /// Where to continue; `None` at the end. Opaque, valid for the store that made it.
    pub next: Option<String>,
}

impl Page {
    /// A page of `keys` that continues at `next`.
    #[must_use]
    pub fn new(keys: Vec<String>, next: Option<String>) -> Self {
        Self { keys, next }
    }
}

/// Shows no keys, because Django's keys are the values of its cookies.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// A store for sessions. The [module documentation](self) is the contract.
///
/// Write the methods as `async fn`:
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use shared_session::{Error, store::{Deleted, MemoryStore, Page, Replaced, Seen, SessionStore, StoreTime}};
///
/// /// Counts the loads of another store.
/// struct Counting(MemoryStore, std::sync::atomic::AtomicU64);
///
/// impl SessionStore for Counting {
///     async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.0.load(key).await
///     }
///     async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
///         self.0.create(key, value, ttl).await
///     }
///     async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
///         self.0.replace(key, seen, value, ttl).await
///     }
///     async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
///         self.0.delete(key, seen).await
///     }
///     async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
///         self.0.scan(prefix, from).await
///     }
///     async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
///         self.0.index_add(index, member, deadline).await
///     }
///     async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
///         self.0.index_list(index).await
///     }
///     async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
///         self.0.index_remove(index, members).await
///     }
///     async fn time(&self) -> Result<StoreTime, Error> {
///         self.0.time().await
///     }
/// }
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// The bytes under `key`. One round trip; never writes.
    fn load(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, Error>> + Send;

    /// Stores `value` only if `key` is absent, and returns whether it did. A `ttl` below one millisecond counts as one
    /// millisecond; a store may limit very long ones.
    fn create(&self, key: &str, value: Bytes, ttl: Duration) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Replaces the [`Seen`] version with `value` and a new lifetime. Compares and writes in one atomic step. Never
    /// creates. The `ttl` is as for [`create`](Self::create).
    fn replace(
        &self,
        key: &str,
        seen: &Seen,
        value: Bytes,
        ttl: Duration,
    ) -> impl Future<Output = Result<Replaced, Error>> + Send;

    /// Deletes `key`: if `seen` is given, only while its part is unchanged. Works while the store refuses other writes
    /// for lack of memory.
    fn delete(&self, key: &str, seen: Option<&Seen>) -> impl Future<Output = Result<Deleted, Error>> + Send;

    /// Keys that start with the literal `prefix`, a page at a time. `from` is [`Page::next`] of the page before.
    /// Index keys may be among them.
    fn scan(&self, prefix: &str, from: Option<&str>) -> impl Future<Output = Result<Page, Error>> + Send;

    /// When the value under `key` expires, for the check at the start
    /// ([`SessionManager::check_fleet`](crate::SessionManager::check_fleet)); `None` if it is absent, or if the store
    /// cannot tell. Only stores in which other programs set lifetimes need it. Default: `None`.
    fn expires(&self, key: &str) -> impl Future<Output = Result<Option<StoreTime>, Error>> + Send {
        let _ = key;
        async { Ok(None) }
    }

    /// Removes entries whose lifetime has passed and returns their number. Stores that expire entries automatically
    /// return 0.
    fn purge_expired(&self) -> impl Future<Output = Result<u64, Error>> + Send {
        async { Ok(0) }
    }

    /// Adds `member` to `index` until `deadline`; a member's deadline only grows. The index itself lives as long as its
    /// longest member, and members past their deadline may be pruned.
    fn index_add(
        &self,
        index: &str,
        member: &str,
        deadline: StoreTime,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// The members of `index` whose deadline has not passed, in no particular order.
    fn index_list(&self, index: &str) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Removes `members` from `index`; absent ones are not an error.
    fn index_remove(&self, index: &str, members: &[String]) -> impl Future<Output = Result<(), Error>> + Send;

    /// The store's clock. One round trip; also the cheapest proof that the store answers.
    fn time(&self) -> impl Future<Output = Result<StoreTime, Error>> + Send;

    /// The underlying store, if this one answers from copies. A [`Throttle`](crate::throttle::Throttle) counts there: a
    /// count changes with every attempt, so a copy is useless, and counting works while the copies are out of reach. No
    /// I/O. Default: `None`, this store itself; a store that wraps another forwards the call.
    fn authority(&self) -> Option<Authority> {
        None
    }

    /// The changes of all writers, for a [near cache](crate::NearCache). No I/O. Default: `None`; a store that wraps
    /// another and writes nothing elsewhere forwards the call.
    #[cfg(feature = "redis")]
    fn change_feed(&self) -> Option<ChangeFeed> {
        None
    }

    /// This store with separate connections, which the current runtime drives:
    /// [`SessionManager::on_this_runtime`](crate::SessionManager::on_this_runtime). Does not wait for them. Default:
    /// `None`: the existing connections serve every runtime, or there are none.
    fn on_this_runtime(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}

/// The store underlying another one that answers from copies: [`SessionStore::authority`].
#[derive(Clone)]
pub struct Authority(pub(crate) Arc<dyn StoreDyn>);

impl Authority {
    /// Declares `store` as the underlying one.
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self(Arc::new(store))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The object-safe form of [`SessionStore`], so that no other signature names a store type.
pub(crate) trait StoreDyn: Send + Sync {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;
    fn create<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<bool, Error>>;
    fn replace<'a>(
        &'a self,
        key: &'a str,
        seen: &'a Seen,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Replaced, Error>>;
    fn delete<'a>(&'a self, key: &'a str, seen: Option<&'a Seen>) -> BoxFuture<'a, Result<Deleted, Error>>;
    fn scan<'a>(&'a self, prefix: &'a str, from: Option<&'a str>) -> BoxFuture<'a, Result<Page, Error>>;
    fn expires<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoreTime>, Error>>;
    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, Error>>;
    fn index_add<'a>(
        &'a self,
        index: &'a str,
        member: &'a str,
        deadline: StoreTime,
    ) -> BoxFuture<'a, Result<(), Error>>;
    fn index_list<'a>(&'a self, index: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>>;
    fn index_remove<'a>(&'a self, index: &'a str, members: &'a [String]) -> BoxFuture<'a, Result<(), Error>>;
    fn time(&self) -> BoxFuture<'_, Result<StoreTime, Error>>;
    fn authority(&self) -> Option<Authority>;
    #[cfg(feature = "redis")]
    fn change_feed(&self) -> Option<ChangeFeed>;
    fn on_this_runtime(&self) -> Option<Arc<dyn StoreDyn>>;
}

/// A call in `span`, if the span is enabled. The call is created in its final place, because it is large.
#[inline(always)]
fn observed<'a, T, F>(span: tracing::Span, call: impl FnOnce() -> F) -> BoxFuture<'a, T>
where
    F: Future<Output = T> + Send + 'a,
{
    if span.is_disabled() { Box::pin(call()) } else { Box::pin(call().instrument(span)) }
}

impl<S: SessionStore> StoreDyn for S {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        observed(tracing::debug_span!("store.load"), || SessionStore::load(self, key))
    }
    fn create<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<bool, Error>> {
        observed(tracing::debug_span!("store.create"), || SessionStore::create(self, key, value, ttl))
    }
    fn replace<'a>(
        &'a self,
        key: &'a str,
        seen: &'a Seen,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Replaced, Error>> {
        observed(tracing::debug_span!("store.replace"), || SessionStore::replace(self, key, seen, value, ttl))
    }
    fn delete<'a>(&'a self, key: &'a str, seen: Option<&'a Seen>) -> BoxFuture<'a, Result<Deleted, Error>> {
        observed(tracing::debug_span!("store.delete"), || SessionStore::delete(self, key, seen))
    }
    fn scan<'a>(&'a self, prefix: &'a str, from: Option<&'a str>) -> BoxFuture<'a, Result<Page, Error>> {
        observed(tracing::debug_span!("store.scan"), || SessionStore::scan(self, prefix, from))
    }
    fn expires<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StoreTime>, Error>> {
        Box::pin(SessionStore::expires(self, key))
    }
    fn purge_expired(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(SessionStore::purge_expired(self))
    }
    fn index_add<'a>(
        &'a self,
        index: &'a str,
        member: &'a str,
        deadline: StoreTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        observed(tracing::debug_span!("store.index_add"), || SessionStore::index_add(self, index, member, deadline))
    }
    fn index_list<'a>(&'a self, index: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        observed(tracing::debug_span!("store.index_list"), || SessionStore::index_list(self, index))
    }
    fn index_remove<'a>(&'a self, index: &'a str, members: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        observed(tracing::debug_span!("store.index_remove"), || SessionStore::index_remove(self, index, members))
    }
    fn time(&self) -> BoxFuture<'_, Result<StoreTime, Error>> {
        Box::pin(SessionStore::time(self))
    }
    fn authority(&self) -> Option<Authority> {
        SessionStore::authority(self)
    }
    #[cfg(feature = "redis")]
    fn change_feed(&self) -> Option<ChangeFeed> {
        SessionStore::change_feed(self)
    }
    fn on_this_runtime(&self) -> Option<Arc<dyn StoreDyn>> {
        Some(Arc::new(SessionStore::on_this_runtime(self)?))
    }
}
