//! Sessions kept in this process, as long as Redis says that they have not changed.

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
    store::changes::{Changes, Watch},
};
use cache::Cache;
pub(crate) use rules::Ticket;

/// Sessions kept in this process: a request whose session is kept asks Redis nothing.
///
/// A connection of its own has Redis announce every change under the key prefix (`CLIENT TRACKING` with `BCAST`). A
/// session that changes, at whatever service, is dropped when the news arrives, and read again when it is asked for.
///
/// **How old an answer can be.** A session that another process changed or ended is answered as it was
///
/// - until the news arrives: usually well below a millisecond after the other process had its acknowledgement;
/// - for a second at most, whatever happens: when the connection breaks everything is dropped at once, and a connection
///   that is silent for most of a second counts as broken.
///
/// What this process itself writes is dropped before its response is sent, so it always reads its own writes. Cookies
/// that do not open the kept session are looked up in Redis, so a cookie that another service has just made works at
/// once; that there is no session is never remembered. A write compares with Redis and not with what is kept, so
/// signing in and out, revoking and lists are as they are without this. The adapters' `StaffUser` reads past it;
/// elsewhere [`LoadOptions::past_near_cache`](crate::LoadOptions::past_near_cache) does.
///
/// **What it needs.** A connection made by [`RedisStore::connect`](crate::store::RedisStore::connect) and its siblings
/// (not a pool), RESP3, and for users with an ACL the commands `CLIENT TRACKING` and `GET`. Without one of them, or
/// while Redis is down, every request simply reads the store. The native profile only: Django's sessions do not say
/// when they expire.
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
    /// The default bounds. No I/O: the cache follows the changes of the manager's store from the first request on.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most sessions that are kept. Default: 10,000, which is plenty for the visitors of one minute, and a session
    /// is read anew after that anyway.
    pub fn with_max_sessions(self, sessions: usize) -> Self {
        Self { sessions, ..self }
    }

    /// The most memory that kept sessions take, in bytes, by estimate. Default: 32 MiB. Sessions larger than a
    /// sixteenth of it are not kept.
    pub fn with_max_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

/// A near cache at work.
pub(crate) struct Near {
    cache: Arc<Cache>,
    watch: Box<dyn Watch>,
}

impl Near {
    pub(crate) fn new(settings: NearCache, changes: Option<Changes>, profile: &dyn WireFormat) -> Result<Self, Error> {
        let refuse = |message| Err(Error::new(ErrorKind::Config, message));
        let Some(changes) = changes else {
            return refuse("a near cache needs a store that announces changes: Redis, and not behind SQL");
        };
        if !profile.says_expiry() {
            return refuse("a near cache needs the native profile: Django's sessions do not say when they expire");
        }
        let cache = Arc::new(Cache::new(&profile.session_prefix(), settings.sessions, settings.bytes));
        let watch = changes.follow(cache.prefix(), Arc::clone(&cache) as _)?;
        Ok(Self { cache, watch })
    }

    /// The session that `token` opens, if it is kept.
    pub(crate) fn get(&self, token: &Token) -> Option<Arc<Record>> {
        self.cache.get(token)
    }

    /// To be called before a session is read, so that what is read may be kept.
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
