//! Sessions kept in this process until Redis announces a change.

mod cache;
mod rules;

use std::sync::Arc;

use crate::{
    error::{Error, ErrorKind},
    record::{
        Record,
        id::{Handle, Token},
        wire_format::WireFormat,
    },
    store::change_feed::{ChangeFeed, Watch},
};
use cache::Cache;
pub(crate) use rules::Ticket;

/// Sessions kept in this process: a request whose session is kept needs no call to Redis.
///
/// On a separate connection Redis announces every change under the key prefix (`CLIENT TRACKING` with `BCAST`). When a
/// session changes, in any service, the announcement drops it from the cache, and the next request reads it again.
///
/// **How old an answer can be.** After another process changed or ended a session, this process may still answer with
/// the old version
///
/// - until the announcement arrives: usually well below a millisecond after the other process had its acknowledgement;
/// - for a second at most, whatever happens: a broken connection drops everything at once, and a connection that is
///   silent for most of a second counts as broken.
///
/// A write of this process drops the session before the response is sent, so a process always reads its own writes. A
/// cookie that does not open the kept session is looked up in Redis, so a cookie that another service has just made
/// works at once. The cache never stores the absence of a session. A write compares with the version in Redis, not in
/// the cache, so sign-in, sign-out, revocation and lists work as without the cache. The adapters' `StaffUser` reads
/// past the cache; elsewhere use [`LoadOptions::past_near_cache`](crate::LoadOptions::past_near_cache).
///
/// **What it needs.** A connection made by [`RedisStore::connect`](crate::store::RedisStore::connect) and its siblings
/// (not a pool), RESP3, and for Redis users with an ACL the commands `CLIENT TRACKING` and `GET`. Without one of them,
/// or while Redis is down, every request reads the store. The native profile only: Django's sessions do not contain
/// their expiry.
///
/// **What it costs.** One connection for each process, a `GET` five times a second, and a message for every write of
/// the fleet.
///
/// ```no_run
/// use shared_session::{NearCache, SessionManager, store::RedisStore};
///
/// # async fn example() -> Result<(), shared_session::Error> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
/// let manager = SessionManager::new(store).with_near_cache(NearCache::new())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct NearCache {
    sessions: usize,
    bytes: usize,
}

impl Default for NearCache {
    fn default() -> Self {
        Self { sessions: 10_000, bytes: 32 * 1024 * 1024 }
    }
}

impl NearCache {
    /// The default bounds. No I/O: the cache begins to follow the changes of the manager's store with the first
    /// request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The maximum number of kept sessions. Default: 10,000, which is plenty for the visitors of one minute; a kept
    /// session is read again after a minute anyway.
    pub fn with_max_sessions(self, sessions: usize) -> Self {
        Self { sessions, ..self }
    }

    /// The maximum memory of kept sessions, in bytes, as an estimate. Default: 32 MiB. Sessions larger than a sixteenth
    /// of it are not kept.
    pub fn with_max_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

/// A running near cache.
pub(crate) struct Near {
    cache: Arc<Cache>,
    watch: Box<dyn Watch>,
}

impl Near {
    pub(crate) fn new(
        settings: NearCache,
        changes: Option<ChangeFeed>,
        profile: &dyn WireFormat,
    ) -> Result<Self, Error> {
        let refuse = |message| Err(Error::new(ErrorKind::Config, message));
        let Some(changes) = changes else {
            return refuse(
                "a near cache needs a store that announces changes, such as a RedisStore without a TieredStore",
            );
        };
        if !profile.says_expiry() {
            return refuse("a near cache needs the native profile: Django's sessions do not contain their expiry");
        }
        let cache = Arc::new(Cache::new(&profile.session_prefix(), settings.sessions, settings.bytes));
        let watch = changes.follow(cache.prefix(), Arc::clone(&cache) as _)?;
        Ok(Self { cache, watch })
    }

    /// The session that `token` opens, if it is kept.
    pub(crate) fn get(&self, token: &Token) -> Option<Arc<Record>> {
        self.cache.get(token)
    }

    /// Call this before reading a session, to be allowed to keep it.
    pub(crate) fn begin(&self, handle: &Handle) -> Option<Ticket> {
        let ticket = self.cache.begin(handle);
        if ticket.is_none() {
            self.watch.start();
        }
        ticket
    }

    pub(crate) fn fill(&self, token: &Token, ticket: Ticket, record: &Arc<Record>) {
        self.cache.fill(token, ticket, record);
    }

    pub(crate) fn evict(&self, handle: &Handle) {
        self.cache.evict(handle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_ten_thousand_sessions_in_32_mebibytes() {
        let near = NearCache::new();
        assert_eq!((near.sessions, near.bytes), (10_000, 33_554_432));
        let near = near.with_max_sessions(5).with_max_bytes(7);
        assert_eq!((near.sessions, near.bytes), (5, 7));
    }
}
