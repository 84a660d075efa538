//! Users' rows that are kept for a few seconds.

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

/// A row is read anew after this at the latest, whatever the settings say.
const LONGEST_AGE: Duration = Duration::from_secs(60);
/// Requests of different users seldom wait for each other.
const SHARDS: usize = 16;
/// With fewer rows for each, shards would not be shared fairly.
const WORTH_A_SHARD: usize = 64;
/// Changes are counted by slots of ids and not by id: a shared count forgets a few rows too many, never one too few.
const SLOTS: usize = 1024;

/// Users' rows kept in this process, so that most requests learn who the user is without a query. Off by default:
/// give one to [`SqlUsers::with_cache`](super::SqlUsers), or return one of your own from
/// [`Users::cache`](super::Users::cache).
///
/// **What is answered from it**: [`Session::user`](crate::Session::user) and what is built on it (`CurrentUser` and
/// `MaybeUser` of the adapters, [`Guard::login_required`](super::Guard::login_required)), in requests that change
/// nothing: GET, HEAD and OPTIONS. A row that is kept can only confirm a session. If it does not, because the password,
/// the epoch or `is_active` differ, the table is asked, and its answer counts. What else is in the row, such as
/// [`is_superuser`](AuthUser::is_superuser), is as old as the row: ask for permissions, or go past the cache.
///
/// **What never is**: requests with another method; [`authenticate`](crate::Session::authenticate);
/// [`require_fresh`](crate::Session::require_fresh); permissions and groups, for which the row is read as well;
/// `StaffUser` of the adapters; [`revoke_others`](crate::SessionManager::revoke_others), lists of sessions,
/// [`status`](crate::Session::status). Elsewhere [`past_user_cache`](crate::Session::past_user_cache) asks the
/// table. The methods of [`Users`](super::Users) always do.
///
/// **How old an answer can be.** What this process changes through the same users, or a clone of them, counts as soon
/// as the change is acknowledged. A change by anybody else counts within [`max_age`](Self::with_max_age) (5 seconds by
/// default): until then a page may still be shown to a user who was deactivated, whose password was changed or whose
/// sessions were ended by epoch alone. Age is counted from before the row was asked for. That a user does not exist is
/// never kept. While the database is down, users are known until their rows are too old; then requests are answered
/// with 503.
///
/// **What it costs.** About a kilobyte for each user; a row that is too old stays in memory until newer ones come.
/// Simultaneous requests of a user whose row is not kept ask once each.
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
/// // Two pages that ann asks for, one after the other.
/// for _ in 0..2 {
///     let session = manager.open_request("GET", |_| []).load().await?;
///     session.login(&ann)?;
///     assert!(session.user().await?.is_some());
/// }
/// assert_eq!((manager.stats().user_cache_misses, manager.stats().user_cache_hits), (1, 1));
///
/// // What is changed through the same users counts at once.
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
    /// A cache with the default bounds, for one table of users: two tables need two, because users are kept by id.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most rows that are kept. Default: 10,000, which is plenty for the users of a few seconds. When that is
    /// reached the older half goes. 0 and 1 keep none.
    pub fn with_max_users(self, users: usize) -> Self {
        Self::of(users, self.max_age)
    }

    /// How long a row answers. Default: 5 seconds, enough for the requests of one page and those that follow it, and
    /// short enough for somebody who waits for a change to take effect. More than a minute counts as one.
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

    /// The row of the user with this id has changed, or may have. To be called by [`Users`](super::Users) of your own
    /// between the change and its acknowledgement, whatever became of it. [`SqlUsers`](super::SqlUsers) does that
    /// itself.
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

    /// Forgets the row when the guard is dropped, and so whatever becomes of a change: also if nobody waits for it any
    /// more.
    pub(super) fn forget_after<'a>(&'a self, id: &'a str) -> Forget<'a> {
        Forget(self, id)
    }

    /// The user with this id, if the row may still answer.
    pub(super) fn get(&self, id: &str) -> Option<Arc<dyn AuthUser>> {
        let kept = self.with_shard(id, |shard| shard.get(id).cloned())?;
        let is_current = kept.ticket.changes == self.count(id).load(SeqCst);
        (is_current && kept.ticket.sent.elapsed() < self.max_age).then_some(kept.user)
    }

    /// The right to keep one row, to be taken before it is asked for.
    pub(super) fn begin(&self, id: &str) -> Ticket {
        Ticket { sent: Instant::now(), changes: self.count(id).load(SeqCst) }
    }

    /// Keeps what was read of the user with this id, unless the row has changed since.
    pub(super) fn fill(&self, id: &str, ticket: Ticket, user: &Arc<dyn AuthUser>) {
        // Only to save room: a change after this look is found by `get`.
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

/// When a row was asked for, and how often it had changed until then.
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

/// Rows in two halves. When the newer half is full or old, it takes the place of the older one, so rows go in about the
/// order in which they came, without a list of that order.
struct Shard {
    half: usize,
    newer: HashMap<Box<str>, Kept>,
    older: HashMap<Box<str>, Kept>,
    /// When the newer half began.
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
