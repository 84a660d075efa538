//! A store in the memory of the process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{Deleted, Page, Replaced, Seen, SessionStore, StoreTime};
use crate::error::Error;

const PAGE: usize = 500;

/// Each write also removes up to this many entries whose lifetime has passed: more than a write can add, so expired
/// entries never pile up, and few enough that no write waits for a sweep.
const PURGED_PER_WRITE: usize = 4;

/// Sessions in this process: for tests, demos and single services. Feature `memory`.
///
/// - Clones share one map. A restart ends every session.
/// - Nothing waits: a lock is held for one map operation and never across an `.await`.
/// - Lifetimes use a monotonic clock that starts at the machine's time of day, so setting the machine's clock changes
///   nothing. Each write removes a few expired entries, so memory is proportional to the live entries.
/// - The number of live entries has no limit: limit lifetimes, and the size of sessions in the manager.
///
/// Tests move time without sleeping:
///
/// ```
/// use std::time::Duration;
/// use shared_session::store::{MemoryStore, SessionStore};
///
/// # #[tokio::main] async fn main() -> Result<(), shared_session::Error> {
/// let store = MemoryStore::new();
/// store.create("key", "value".into(), Duration::from_secs(60)).await?;
/// store.advance(Duration::from_secs(59));
/// assert!(store.load("key").await?.is_some());
/// store.advance(Duration::from_secs(1));
/// assert!(store.load("key").await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store whose clock runs. Each call makes another store: make one manager and clone it, in Actix Web
    /// outside of the closure given to `HttpServer::new`.
    #[must_use]
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::with(Clock { start: StoreTime(0).after(now), running: Some(Instant::now()), advanced: AtomicU64::new(0) })
    }

    /// An empty store whose clock starts at `start` and moves only by [`advance`](Self::advance).
    #[must_use]
    pub fn with_clock(start: StoreTime) -> Self {
        Self::with(Clock { start, running: None, advanced: AtomicU64::new(0) })
    }

    fn with(clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { clock, state: Mutex::default() }) }
    }

    /// Moves the clock forward, for all clones.
    pub fn advance(&self, by: Duration) {
        let by = StoreTime(0).after(by).0;
        let saturating = |advanced: u64| Some(advanced.saturating_add(by));
        // Fails only if the closure returns `None`.
        let _ = self.shared.clock.advanced.fetch_update(Ordering::SeqCst, Ordering::SeqCst, saturating);
    }

    /// The number of live keys. Costs one step for each of them.
    #[must_use]
    pub fn len(&self) -> usize {
        let now = self.now();
        self.state().entries.values().filter(|entry| entry.deadline > now).count()
    }

    /// Whether there are no live keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn now(&self) -> StoreTime {
        self.shared.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock leaves the maps half changed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state with some expired entries removed, and the time.
    fn state_for_write(&self) -> (MutexGuard<'_, State>, StoreTime) {
        let mut state = self.state();
        let now = self.now();
        state.purge(now, PURGED_PER_WRITE);
        (state, now)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).finish_non_exhaustive()
    }
}

struct Clock {
    start: StoreTime,
    running: Option<Instant>,
    advanced: AtomicU64,
}

impl Clock {
    fn now(&self) -> StoreTime {
        let elapsed = self.running.map(|since| since.elapsed()).unwrap_or_default();
        self.start.after(elapsed).after(Duration::from_millis(self.advanced.load(Ordering::SeqCst)))
    }
}

/// Invariant: `deadlines` holds exactly one element for each entry and each member.
#[derive(Default)]
struct State {
    entries: BTreeMap<Arc<str>, Entry>,
    indexes: HashMap<Arc<str>, HashMap<Arc<str>, StoreTime>>,
    deadlines: BTreeSet<(StoreTime, Expiring)>,
}

struct Entry {
    value: Bytes,
    deadline: StoreTime,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Expiring {
    Entry(Arc<str>),
    Member(Arc<str>, Arc<str>),
}

impl State {
    fn live(&self, key: &str, now: StoreTime) -> Option<&Bytes> {
        self.entries.get(key).filter(|entry| entry.deadline > now).map(|entry| &entry.value)
    }

    fn put(&mut self, key: &str, value: Bytes, deadline: StoreTime) {
        let key = self.entries.get_key_value(key).map_or_else(|| Arc::from(key), |(key, _)| Arc::clone(key));
        if let Some(old) = self.entries.insert(Arc::clone(&key), Entry { value, deadline }) {
            self.deadlines.remove(&(old.deadline, Expiring::Entry(Arc::clone(&key))));
        }
        self.deadlines.insert((deadline, Expiring::Entry(key)));
    }

    fn remove(&mut self, key: &str) {
        if let Some((key, old)) = self.entries.remove_entry(key) {
            self.deadlines.remove(&(old.deadline, Expiring::Entry(key)));
        }
    }

    fn add_member(&mut self, index: &str, member: &str, deadline: StoreTime) {
        let index = self.indexes.get_key_value(index).map_or_else(|| Arc::from(index), |(index, _)| Arc::clone(index));
        let members = self.indexes.entry(Arc::clone(&index)).or_default();
        let member = members.get_key_value(member).map_or_else(|| Arc::from(member), |(member, _)| Arc::clone(member));
        let old = members.get(&member).copied();
        if old.is_some_and(|old| old >= deadline) {
            return;
        }
        members.insert(Arc::clone(&member), deadline);
        if let Some(old) = old {
            self.deadlines.remove(&(old, Expiring::Member(Arc::clone(&index), Arc::clone(&member))));
        }
        self.deadlines.insert((deadline, Expiring::Member(index, member)));
    }

    fn remove_member(&mut self, index: &str, member: &str) {
        let Some(members) = self.indexes.get_mut(index) else { return };
        if let Some((member, deadline)) = members.remove_entry(member) {
            self.deadlines.remove(&(deadline, Expiring::Member(Arc::from(index), member)));
        }
        if members.is_empty() {
            self.indexes.remove(index);
        }
    }

    /// Removes up to `limit` entries and members whose deadline has passed.
    fn purge(&mut self, now: StoreTime, limit: usize) -> u64 {
        let mut purged = 0;
        while purged < limit as u64 && self.deadlines.first().is_some_and(|(deadline, _)| *deadline <= now) {
            match self.deadlines.pop_first() {
                Some((_, Expiring::Entry(key))) => drop(self.entries.remove(&key)),
                Some((_, Expiring::Member(index, member))) => self.remove_member(&index, &member),
                None => {}
            }
            purged += 1;
        }
        purged
    }
}

/// A lifetime below a millisecond counts as one.
fn deadline(now: StoreTime, ttl: Duration) -> StoreTime {
    now.after(ttl.max(Duration::from_millis(1)))
}

impl SessionStore for MemoryStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let state = self.state();
        Ok(state.live(key, self.now()).cloned())
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let (mut state, now) = self.state_for_write();
        let absent = state.live(key, now).is_none();
        if absent {
            state.put(key, value, deadline(now, ttl));
        }
        Ok(absent)
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let (mut state, now) = self.state_for_write();
        match state.live(key, now) {
            None => Ok(Replaced::Gone),
            Some(current) if !seen.matches(current) => Ok(Replaced::Conflict(current.clone())),
            Some(_) => {
                state.put(key, value, deadline(now, ttl));
                Ok(Replaced::Stored)
            }
        }
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        let (mut state, now) = self.state_for_write();
        match state.live(key, now) {
            None => Ok(Deleted::Gone),
            Some(current) if seen.is_some_and(|seen| !seen.matches(current)) => Ok(Deleted::Conflict(current.clone())),
            Some(_) => {
                state.remove(key);
                Ok(Deleted::Done)
            }
        }
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        let state = self.state();
        let now = self.now();
        let start = from.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut keys = Vec::new();
        let mut last = None;
        for (steps, (key, entry)) in state.entries.range::<str, _>((start, Bound::Unbounded)).enumerate() {
            if !key.starts_with(prefix) {
                break;
            }
            if steps == PAGE {
                return Ok(Page::new(keys, last));
            }
            if entry.deadline > now {
                keys.push(key.to_string());
            }
            last = Some(key.to_string());
        }
        Ok(Page::new(keys, None))
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        let mut state = self.state();
        let now = self.now();
        Ok(state.purge(now, usize::MAX))
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        let (mut state, now) = self.state_for_write();
        if deadline > now {
            state.add_member(index, member, deadline);
        }
        Ok(())
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        let state = self.state();
        let now = self.now();
        let members = state.indexes.get(index).into_iter().flatten();
        Ok(members.filter(|(_, deadline)| **deadline > now).map(|(member, _)| member.to_string()).collect())
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        let (mut state, _) = self.state_for_write();
        for member in members {
            state.remove_member(index, member);
        }
        Ok(())
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        Ok(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_lifetime_below_a_millisecond_counts_as_one() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        assert!(store.create("key", "value".into(), Duration::ZERO).await.unwrap());
        assert!(store.load("key").await.unwrap().is_some());
        store.advance(Duration::from_millis(1));
        assert!(store.load("key").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn expired_entries_do_not_pile_up() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        for number in 0..10_000 {
            assert!(store.create(&format!("key {number}"), "value".into(), SECOND).await.unwrap());
            store.index_add(&format!("index {number}"), "member", store.now().after(SECOND)).await.unwrap();
            store.advance(Duration::from_millis(10));
        }
        let state = store.state();
        assert!(state.entries.len() <= 101, "{} entries", state.entries.len());
        assert!(state.indexes.len() <= 101, "{} indexes", state.indexes.len());
        assert_eq!(state.deadlines.len(), state.entries.len() + state.indexes.len());
    }

    #[tokio::test]
    async fn renewing_shortening_and_deleting_leave_no_old_deadline_behind() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        let seen = Seen::new(Bytes::new(), 0..0);
        assert!(store.create("key", "value".into(), SECOND).await.unwrap());
        for ttl in [60, 1, 3600, 60] {
            assert_eq!(store.replace("key", &seen, "value".into(), SECOND * ttl).await.unwrap(), Replaced::Stored);
            store.index_add("index", "member", store.now().after(SECOND * ttl)).await.unwrap();
        }
        assert_eq!(store.state().deadlines.len(), 2);
        store.index_remove("index", &["member".to_owned()]).await.unwrap();
        assert_eq!(store.delete("key", None).await.unwrap(), Deleted::Done);
        let state = store.state();
        assert!(state.entries.is_empty() && state.indexes.is_empty() && state.deadlines.is_empty());
    }

    #[tokio::test]
    async fn purging_says_how_many_entries_and_members_it_removed() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        for number in 0..10 {
            assert!(store.create(&format!("key {number}"), "value".into(), SECOND).await.unwrap());
            store.index_add("index", &format!("member {number}"), store.now().after(SECOND * 2)).await.unwrap();
        }
        assert!(store.create("long", "value".into(), SECOND * 60).await.unwrap());
        store.advance(SECOND);
        assert_eq!(store.purge_expired().await.unwrap(), 10);
        store.advance(SECOND);
        assert_eq!(store.purge_expired().await.unwrap(), 10);
        assert_eq!(store.purge_expired().await.unwrap(), 0);
        assert_eq!(store.len(), 1);
    }

    #[tokio::test]
    async fn time_stands_until_it_is_advanced_and_never_wraps() {
        let store = MemoryStore::with_clock(StoreTime(5));
        assert_eq!(store.time().await.unwrap(), StoreTime(5));
        store.clone().advance(Duration::from_millis(7));
        assert_eq!(store.time().await.unwrap(), StoreTime(12));
        store.advance(Duration::MAX);
        store.advance(Duration::MAX);
        assert_eq!(store.time().await.unwrap(), StoreTime(u64::MAX));
    }

    #[tokio::test]
    async fn a_value_that_ends_now_is_gone() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        assert!(store.is_empty());
        assert!(store.create("key", "value".into(), SECOND).await.unwrap());
        store.index_add("index", "member", store.now().after(SECOND)).await.unwrap();
        store.index_add("index", "too late", store.now()).await.unwrap();
        assert!(!store.is_empty() && store.index_list("index").await.unwrap() == ["member"]);
        assert_eq!(store.state().deadlines.len(), 2);
        store.advance(SECOND);
        assert!(store.is_empty() && store.index_list("index").await.unwrap().is_empty());
        assert_eq!(store.scan("", None).await.unwrap().keys, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_write_removes_four_of_those_that_have_ended() {
        let store = MemoryStore::with_clock(StoreTime(1_000_000));
        for number in 0..10 {
            assert!(store.create(&format!("key {number}"), "value".into(), SECOND).await.unwrap());
        }
        store.advance(SECOND);
        assert!(store.create("new", "value".into(), SECOND).await.unwrap());
        assert_eq!(store.state().entries.len(), 10 - PURGED_PER_WRITE + 1);
    }

    #[tokio::test]
    async fn a_page_has_five_hundred_keys() {
        let store = MemoryStore::new();
        for number in 0..PAGE + 1 {
            assert!(store.create(&format!("key {number:04}"), "value".into(), SECOND * 60).await.unwrap());
        }
        let first = store.scan("key", None).await.unwrap();
        assert_eq!((first.keys.len(), first.next.as_deref()), (PAGE, Some("key 0499")));
        let second = store.scan("key", first.next.as_deref()).await.unwrap();
        assert_eq!((second.keys, second.next), (vec!["key 0500".to_owned()], None));
    }

    #[tokio::test]
    async fn debug_shows_no_key_and_no_value() {
        let store = MemoryStore::new();
        assert!(store.create("the key", "the value".into(), SECOND).await.unwrap());
        assert_eq!(format!("{store:?}"), "MemoryStore { len: 1, .. }");
    }
}
