//! A cache that keeps users' rows for a few seconds.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::AuthUser;

/// The longest age of a row, regardless of the settings.
const LONGEST_AGE: Duration = Duration::from_secs(60);
/// Enough shards that requests of different users rarely wait for each other.
const SHARDS: usize = 16;
/// With fewer rows per shard, ids would spread too unevenly.
const WORTH_A_SHARD: usize = 64;
/// Changes are counted per slot of ids, not per id: a shared count forgets a few rows too many, never one too few.
const SLOTS: usize = 1024;

/// Users' rows kept in this process, so that most requests find the user without a query. Off by default: pass a cache
/// to [`SqlUsers::with_cache`](super::SqlUsers), or return your own from [`Users::cache`](super::Users::cache).
///
/// **Answered from the cache**: [`Session::user`](crate::Session::user) and its callers (`CurrentUser` and `MaybeUser`
/// of the adapters, [`Guard::login_required`](super::Guard::login_required)), in requests that change nothing: GET,
/// HEAD and OPTIONS. A cached row can only confirm a session. If the password, the epoch or `is_active` differ, the
/// table is read and decides. Other fields of the row, such as [`is_superuser`](AuthUser::is_superuser), are as old as
/// the row: check permissions, or bypass the cache.
///
/// **Never answered from the cache**: requests with another method; [`authenticate`](crate::Session::authenticate);
/// [`require_fresh`](crate::Session::require_fresh); permissions and groups, which read the row as well; `StaffUser` of
/// the adapters; [`revoke_others`](crate::SessionManager::revoke_others), lists of sessions,
/// [`status`](crate::Session::status). Elsewhere [`past_user_cache`](crate::Session::past_user_cache) makes a
/// request read the table. The methods of [`Users`](super::Users) always read it.
///
/// **Age of an answer.** A change by this process through the same users, or a clone of them, counts as soon as it is
/// acknowledged. Any other change counts within [`max_age`](Self::with_max_age) (5 seconds by default): until then a
/// page may still be shown to a user who was deactivated, whose password was changed or whose sessions were ended by
/// epoch alone. The age starts before the query for the row. The absence of a user is never cached. While the database
/// is down, users are found until their rows are too old; then the response is 503.
///
/// **Cost.** About a kilobyte for each user; an expired row stays in memory until newer ones replace it. Simultaneous
/// requests of a user whose row is not cached query once each.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_session::users::{ManageUsers, NewUser, SqlUsers, UserCache};
/// use shared_session::{SecretKeys, SessionManager, store::MemoryStore};
///
/// let users = SqlUsers::connect("sqlite::memory:").await?.with_cache(UserCache::new());
/// users.migrate().await?;
/// let ann = users.create_user(NewUser::new("ann", "correct horse")).await?;
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_users(users.clone(), keys);
///
/// // Ann requests two pages, one after the other.
/// for _ in 0..2 {
///     let session = manager.open_request("GET", |_| []).load().await?;
///     session.login(&ann)?;
///     assert!(session.user().await?.is_some());
/// }
/// assert_eq!((manager.stats().user_cache_misses, manager.stats().user_cache_hits), (1, 1));
///
/// // A change through the same users counts at once.
/// users.set_active(&ann.id, false).await?;
/// let session = manager.open_request("GET", |_| []).load().await?;
/// session.login(&ann)?;
/// assert!(session.user().await?.is_none());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[must_use]
pub struct UserCache {
    max_users: usize,
    max_age: Duration,
    hasher: RandomState,
    /// How often the rows of a slot have changed.
    changes: Box<[AtomicU64]>,
    shards: Box<[Mutex<Shard>]>,
}

impl Default for UserCache {
    fn default() -> Self {
        Self::of(10_000, Duration::from_secs(5))
    }
}

impl UserCache {
    /// A cache with the default bounds, for one user table. Two tables need two caches, because users are kept by id.
    pub fn new() -> Self {
        Self::default()
    }

    /// The maximum number of rows. Default: 10,000, which is plenty for the users of a few seconds. When the cache is
    /// full, the older half goes. 0 and 1 disable it.
    pub fn with_max_users(self, users: usize) -> Self {
        Self::of(users, self.max_age)
    }

    /// The maximum age of a row. Default: 5 seconds, enough for the requests of one page and those that follow it, and
    /// short enough for a user who waits for a change to take effect. More than a minute counts as a minute.
    pub fn with_max_age(self, age: Duration) -> Self {
        Self::of(self.max_users, age)
    }

    fn of(max_users: usize, max_age: Duration) -> Self {
        let shards = if max_users / SHARDS >= WORTH_A_SHARD { SHARDS } else { 1 };
        Self {
            max_users,
            max_age: max_age.min(LONGEST_AGE),
            hasher: RandomState::new(),
            changes: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            shards: (0..shards).map(|_| Mutex::new(Shard::new(max_users / shards))).collect(),
        }
    }

    /// Reports that the row of the user with this id has changed, or may have. Your own [`Users`](super::Users) must
    /// call it between the change and its acknowledgement, even if the change failed. [`SqlUsers`](super::SqlUsers)
    /// does that itself.
    pub fn forget(&self, id: &str) {
        self.count(id).fetch_add(1, SeqCst);
    }

    /// As [`forget`](Self::forget), for all rows.
    #[cfg(any(test, feature = "postgres", feature = "sqlite"))]
    pub(crate) fn forget_all(&self) {
        for count in &self.changes {
            count.fetch_add(1, SeqCst);
        }
    }

    /// Forgets the row when the guard is dropped, regardless of the outcome of the change: also if the caller stopped
    /// waiting.
    pub(super) fn forget_after<'a>(&'a self, id: &'a str) -> Forget<'a> {
        Forget(self, id)
    }

    /// The user with this id, if the row is recent enough and unchanged.
    pub(super) fn get(&self, id: &str) -> Option<Arc<dyn AuthUser>> {
        let kept = self.with_shard(id, |shard| shard.get(id).cloned())?;
        let is_current = kept.ticket.changes == self.count(id).load(SeqCst);
        (is_current && kept.ticket.sent.elapsed() < self.max_age).then_some(kept.user)
    }

    /// Permission to cache one row; take it before the query.
    pub(super) fn begin(&self, id: &str) -> Ticket {
        Ticket { sent: Instant::now(), changes: self.count(id).load(SeqCst) }
    }

    /// Caches the row of the user with this id, unless the row has changed since.
    pub(super) fn fill(&self, id: &str, ticket: Ticket, user: &Arc<dyn AuthUser>) {
        // Only saves room: `get` detects a change after this check.
        if ticket.changes == self.count(id).load(SeqCst) {
            let kept = Kept { user: Arc::clone(user), ticket };
            self.with_shard(id, |shard| shard.keep(id, kept, self.max_age));
        }
    }

    fn count(&self, id: &str) -> &AtomicU64 {
        &self.changes[self.hash(id) % SLOTS]
    }

    fn with_shard<T>(&self, id: &str, f: impl FnOnce(&mut Shard) -> T) -> T {
        let shard = &self.shards[self.hash(id) / SLOTS % self.shards.len()];
        f(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hash(&self, id: &str) -> usize {
        usize::try_from(self.hasher.hash_one(id) >> 32).unwrap_or_default()
    }
}

impl fmt::Debug for UserCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_users, max_age, .. } = self;
        f.debug_struct("UserCache").field("max_users", max_users).field("max_age", max_age).finish_non_exhaustive()
    }
}

/// Forgets a row when it is dropped.
#[must_use]
pub(super) struct Forget<'a>(&'a UserCache, &'a str);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

/// The time of the query for a row, and how often the row had changed until then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    sent: Instant,
    changes: u64,
}

#[derive(Clone)]
struct Kept {
    user: Arc<dyn AuthUser>,
    ticket: Ticket,
}

/// Rows in two halves. When the newer half is full or old, it replaces the older one. So rows go roughly in the order
/// in which they came, without a list of that order.
struct Shard {
    half: usize,
    newer: HashMap<Box<str>, Kept>,
    older: HashMap<Box<str>, Kept>,
    /// The start of the newer half.
    began: Instant,
}

impl Shard {
    fn new(users: usize) -> Self {
        Self { half: users / 2, newer: HashMap::new(), older: HashMap::new(), began: Instant::now() }
    }

    fn get(&self, id: &str) -> Option<&Kept> {
        self.newer.get(id).or_else(|| self.older.get(id))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }

    fn keep(&mut self, id: &str, kept: Kept, max_age: Duration) {
        if self.half == 0 || self.get(id).is_some_and(|other| other.ticket.sent > kept.ticket.sent) {
            return;
        }
        if self.newer.len() >= self.half || self.began.elapsed() >= max_age {
            self.older = mem::take(&mut self.newer);
            self.began = Instant::now();
        }
        self.older.remove(id);
        self.newer.insert(id.into(), kept);
    }
}

#[cfg(test)]
mod tests;
