//! Sessions in SQL with copies in Redis, so that no user is signed out if Redis loses its data.
//!
//! A *fence* keeps the copies correct: a short-lived mark under the key in Redis that means "ask SQL". Before a writer
//! changes a row it stores its own fence, overwriting the present value. While a fence exists, readers do not trust
//! Redis, and a refill cannot store a copy, because a refill creates and never overwrites. After writing the row the
//! writer replaces its fence with its copy. If its fence is gone, because another writer overwrote it or Redis lost it,
//! the writer stores a fence without an owner, so that other writers in progress leave no copy either. Only then is the
//! write acknowledged.

use std::{fmt, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Authority, Deleted, Page, RedisStore, Replaced, Seen, SessionStore, SqlStore, StoreTime};
use crate::{
    error::{Error, ErrorKind},
    record::tag::Tag,
};

/// The start of a fence. With a random tag after it, the fence belongs to one writer; without, it has no owner.
const FENCE: &[u8] = b"\0ask SQL\0";

/// The lifetime of a fence, and of an unconfirmed copy. Longer than the time between reading a row and storing its copy
/// in Redis.
const FENCED: Duration = Duration::from_secs(10);

/// A refill that took longer to read its row leaves no copy.
const SLOW: Duration = Duration::from_secs(5);

/// The time by which a copy expires before its row.
const MARGIN: Duration = Duration::from_secs(1);

/// The longest time until a copy is refreshed from its row.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Sessions in SQL, read from Redis. Features `redis` and `sqlite` or `postgres`.
///
/// **SQL is the authority**: every write is in SQL before it is acknowledged, and the indexes of users are only there.
/// Redis holds copies of sessions that were read or written recently, and may lose any of them at any time, by
/// `FLUSHALL`, a restart or eviction: the next load reads the row and stores its copy again. No user is signed out, no
/// ended session comes back, and no acknowledged write is lost.
///
/// | operation | Redis | SQL | |
/// |---|---|---|---|
/// | load | 1 | 0 | the first of a new session, or after a loss: 3 and 2 |
/// | load within 10 s of a deletion, or of writes at the same time | 1 | 1 | |
/// | create | 0 | 1 | |
/// | replace | 2 | 1 | overtaken by another write: 3 and 1; a conflict: 1 and 2 |
/// | delete | 2 | 1 | a conflict: 1 and 2 |
/// | scan, time, the index, purging | 0 | 1 or more | as [`SqlStore`] |
///
/// A write goes to SQL while the request waits, touches included, because a deferred write to SQL could be lost.
/// Without deferred writes, rows of ended sessions need no tombstones and are simply deleted.
///
/// # When one of them is down
///
/// - **Redis**: sessions are read from SQL, and new ones start. A write or deletion of an existing session is
///   [`ErrorKind::Unavailable`] and has changed nothing, because an old copy could outlive it in a Redis that is merely
///   out of reach. A Redis that is out of memory refuses replacements in the same way, but not deletions. A
///   [`Throttle`](crate::throttle::Throttle) counts only in SQL, so it continues.
/// - **SQL**: sessions with a copy in Redis can be read. Every write fails; its session is then unavailable too, until
///   SQL is back or at most 10 s after.
/// - **This process**, in the middle of a write: its fence stays for the rest of its 10 s. Acknowledged writes are in
///   SQL.
/// - **Redis, in the middle of a write**: the row has changed, and the error is [`Error::undecided`]. The fence of the
///   write remains for the rest of its 10 s.
///
/// # What remains
///
/// - Redis loses the fence of a logout or write that was acknowledged within the last 10 s, while a refill is in
///   progress that read the row before. The refill stores its copy, checks the row once more, and withdraws the copy.
///   Readers see the old copy for that one round trip, or for 10 s if the process dies at that moment.
/// - A write that was *not* acknowledged may leave an old copy behind, for an hour at most, the maximum lifetime of a
///   copy: if the database applies it more than 10 s after this process gave up on it; if its process dies when the row
///   is written and another write of the session has just stored its copy; or if Redis loses its fence, gets a refill,
///   and is then out of reach. The next write of the session detects the old copy.
///
/// # What Redis must not do
///
/// Redis must not go back in time. A Redis that restarts with old data, or a lagging replica that takes over, returns
/// old copies. Turn its persistence off (`save ""`, `appendonly no`): it is not needed here. It may evict
/// (`maxmemory-policy allkeys-lru`).
///
/// Values that start with NUL, `ask SQL` and NUL are refused as [`ErrorKind::Value`]; no profile writes such values.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> Result<(), shared_session::Error> {
/// use shared_session::{SessionManager, store::{RedisStore, SqlStore, TieredStore}};
///
/// let sql = SqlStore::connect("postgres://site@localhost/site").await?;
/// sql.migrate().await?;
/// let store = TieredStore::new(RedisStore::connect("redis://localhost").await?, sql);
/// let manager = SessionManager::new(store);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TieredStore {
    copies: RedisStore,
    rows: SqlStore,
}

impl TieredStore {
    /// Puts `copies` in front of `rows`. All services use the same Redis, the same database, and this store: a service
    /// that writes only to the database leaves old copies behind. Sessions from a plain [`RedisStore`] have no row:
    /// they can be read, but their first write ends them, so start with an empty Redis. Connect `copies` with
    /// [`connect_lazy`](RedisStore::connect_lazy) so that a service starts while Redis is down.
    #[must_use]
    pub fn new(copies: RedisStore, rows: SqlStore) -> Self {
        Self { copies, rows }
    }

    /// Reads the row and stores a copy of it.
    async fn refill(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let started = Instant::now();
        let Some((value, left)) = self.rows.load_with_lifetime(key).await? else { return Ok(None) };
        let until = end_of_copy(started, left);
        // An empty copy could not be distinguished from a fence when it is confirmed.
        if Instant::now() + FENCED >= until || started.elapsed() >= SLOW || value.is_empty() {
            return Ok(Some(value));
        }
        // Does nothing if there is a fence or a newer copy.
        match self.copies.create(key, value.clone(), FENCED).await {
            Ok(true) => {}
            Err(error) if error.is_undecided() => {}
            Ok(false) | Err(_) => return Ok(Some(value)),
        }
        // The fence of a faster write may have been lost together with everything else.
        let current = match self.rows.load(key).await {
            Ok(current) => current,
            // The copy was not confirmed, so it expires soon.
            Err(_) => return Ok(Some(value)),
        };
        if current.as_ref() == Some(&value) {
            let ttl = until.saturating_duration_since(Instant::now());
            let unchanged = Seen::new(value.clone(), 0..value.len());
            log(self.copies.replace(key, &unchanged, value, ttl).await.map(drop));
        } else {
            log(self.fence_for_all(key).await);
        }
        Ok(current)
    }

    /// Stores a fence of this writer.
    async fn fence(&self, key: &str) -> Result<Seen, Error> {
        let own = Bytes::from([FENCE, Tag::random()?.as_str().as_bytes()].concat());
        self.copies.put(key, &own, FENCED).await?;
        let len = own.len();
        Ok(Seen::new(own, 0..len))
    }

    async fn fence_for_all(&self, key: &str) -> Result<(), Error> {
        self.copies.put(key, FENCE, FENCED).await
    }

    /// As [`fence_for_all`](Self::fence_for_all), but also works in a Redis that is out of memory, which accepts no
    /// refill either.
    async fn fence_or_forget(&self, key: &str) -> Result<(), Error> {
        match self.fence_for_all(key).await {
            Err(error) if !error.is_undecided() => self.copies.delete(key, None).await.map(drop),
            done => done,
        }
    }

    /// Replaces the writer's fence, if it still exists, with the copy of the row that was just written.
    async fn settle(&self, key: &str, own: &Seen, value: Bytes, until: Instant) -> Result<(), Error> {
        let ttl = until.saturating_duration_since(Instant::now());
        if !ttl.is_zero() && matches!(self.copies.replace(key, own, value, ttl).await, Ok(Replaced::Stored)) {
            return Ok(());
        }
        self.fence_for_all(key).await
    }
}

/// The expiry of the copy of a row that has the lifetime `left` from `start` on.
fn end_of_copy(start: Instant, left: Duration) -> Instant {
    start + left.saturating_sub(MARGIN).min(LONGEST)
}

fn is_fence(value: &[u8]) -> bool {
    value.starts_with(FENCE)
}

fn refuse_fences(value: &[u8]) -> Result<(), Error> {
    if is_fence(value) {
        return Err(Error::new(ErrorKind::Value, "a session must not start as a fence in Redis does"));
    }
    Ok(())
}

/// Only logged, because a copy that is not renewed expires soon.
fn log(renewed: Result<(), Error>) {
    if let Err(error) = renewed {
        tracing::debug!(%error, "the copy of a session in Redis was not renewed");
    }
}

/// A failure before the row was touched.
fn nothing_changed(error: Error) -> Error {
    Error::new(ErrorKind::Unavailable, "Redis is unavailable, so the write was not started").with_source(error)
}

impl fmt::Debug for TieredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredStore").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SessionStore for TieredStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.copies.load(key).await {
            Ok(Some(value)) if !is_fence(&value) => Ok(Some(value)),
            Ok(None) => self.refill(key).await,
            Ok(Some(_)) => self.rows.load(key).await,
            Err(error) => {
                tracing::debug!(%error, "reading a session from SQL");
                self.rows.load(key).await
            }
        }
    }

    /// Stores no copy; the first load does.
    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        refuse_fences(&value)?;
        self.rows.create(key, value, ttl).await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        refuse_fences(&value)?;
        let own = self.fence(key).await.map_err(nothing_changed)?;
        let until = end_of_copy(Instant::now(), ttl);
        let replaced = self.rows.replace(key, seen, value.clone(), ttl).await?;
        if replaced == Replaced::Stored {
            self.settle(key, &own, value, until).await.map_err(Error::undecided)?;
        }
        Ok(replaced)
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.fence_or_forget(key).await.map_err(nothing_changed)?;
        let deleted = self.rows.delete(key, seen).await?;
        if !matches!(deleted, Deleted::Conflict(_)) {
            self.fence_or_forget(key).await.map_err(Error::undecided)?;
        }
        Ok(deleted)
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.rows.scan(prefix, from).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        self.rows.purge_expired().await
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.rows.index_add(index, member, deadline).await
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.rows.index_list(index).await
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.rows.index_remove(index, members).await
    }

    /// The database's clock: rows hold its time.
    async fn time(&self) -> Result<StoreTime, Error> {
        self.rows.time().await
    }

    fn authority(&self) -> Option<Authority> {
        Some(Authority::new(self.rows.clone()))
    }
}
