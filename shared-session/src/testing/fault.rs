//! A store that fails on demand.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::watch;

use super::operations::known;
use crate::{
    error::{Error, ErrorKind},
    store::{BoxFuture, Deleted, Page, Replaced, Seen, SessionStore, StoreTime},
};

/// The kind of failure of an operation of a [`FaultStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing reaches the store; the caller gets [`ErrorKind::Unavailable`].
    Refused,
    /// Nothing reaches the store; the caller gets an error of this kind.
    Fails(ErrorKind),
    /// Nothing reaches the store, but a writer cannot find out: [`ErrorKind::Unavailable`], undecided.
    LostRequest,
    /// The operation is applied, but a writer cannot find out: [`ErrorKind::Unavailable`], undecided.
    LostReply,
    /// Nothing reaches the store, and a writer waited too long to find out: [`ErrorKind::Unavailable`],
    /// [late](Error::is_late).
    LateRequest,
    /// The operation is applied, but a writer waited too long to find out: [`ErrorKind::Unavailable`],
    /// [late](Error::is_late).
    LateReply,
    /// The operation waits for [`FaultStore::release`] and then is applied.
    Hangs,
    /// The operation is applied; its reply waits for [`FaultStore::release`].
    ReplyHangs,
}

/// Makes another store fail on request. Clones share the orders.
///
/// Operations have the names of the methods of a [`SessionStore`]. Each call of an operation carries out the oldest
/// order for it; a call without an order reaches the store unchanged.
///
/// ```
/// use std::time::Duration;
/// use shared_session::{store::{MemoryStore, SessionStore}, testing::{Fault, FaultStore}};
///
/// # #[tokio::main] async fn main() {
/// let store = FaultStore::new(MemoryStore::new());
/// store.fail_next("create", Fault::LostReply);
///
/// let error = store.create("key", "value".into(), Duration::from_secs(60)).await.unwrap_err();
/// assert!(error.is_undecided());
/// assert!(store.load("key").await.unwrap().is_some());
/// # }
/// ```
pub struct FaultStore<S> {
    inner: Arc<S>,
    orders: Arc<Mutex<Orders<S>>>,
    released: Arc<watch::Sender<u64>>,
    hanging: Arc<watch::Sender<usize>>,
}

type Hook<S> = Box<dyn FnOnce(Arc<S>) -> BoxFuture<'static, ()> + Send>;

struct Orders<S> {
    down: bool,
    round_trip: Duration,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    before: HashMap<&'static str, VecDeque<Hook<S>>>,
    after: HashMap<&'static str, VecDeque<Hook<S>>>,
}

impl<S> FaultStore<S> {
    /// Passes everything to `store` until there is an order.
    #[must_use]
    pub fn new(store: S) -> Self {
        let orders = Orders {
            down: false,
            round_trip: Duration::ZERO,
            faults: HashMap::new(),
            before: HashMap::new(),
            after: HashMap::new(),
        };
        Self {
            inner: Arc::new(store),
            orders: Arc::new(Mutex::new(orders)),
            released: Arc::new(watch::Sender::new(0)),
            hanging: Arc::new(watch::Sender::new(0)),
        }
    }

    /// The wrapped store, which never fails.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The next call of `operation` fails with `fault`.
    ///
    /// # Panics
    ///
    /// If the operation is unknown, as in the other methods that take one.
    #[track_caller]
    pub fn fail_next(&self, operation: &str, fault: Fault) {
        self.fail_next_n(operation, 1, fault);
    }

    /// The next `count` calls of `operation` fail with `fault`.
    #[track_caller]
    pub fn fail_next_n(&self, operation: &str, count: usize, fault: Fault) {
        let operation = known(operation);
        self.orders().faults.entry(operation).or_default().extend(std::iter::repeat_n(fault, count));
    }

    /// While `down`, every operation is [`Fault::Refused`]. Other orders wait.
    pub fn set_down(&self, down: bool) {
        self.orders().down = down;
    }

    /// Makes every call from now on take this long, half of it before it reaches the store, like a distant store.
    /// Default: zero. In a test with a paused clock (`start_paused` of `tokio::test`) it takes no real time.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.orders().round_trip = round_trip;
    }

    /// Runs `hook` on the wrapped store just before the next call of `operation` reaches it: use it for a rival between
    /// a caller's `load` and its `replace`.
    #[track_caller]
    pub fn before_next<F, Fut>(&self, operation: &str, hook: F)
    where
        F: FnOnce(Arc<S>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let operation = known(operation);
        self.orders().before.entry(operation).or_default().push_back(Box::new(|store| Box::pin(hook(store))));
    }

    /// Runs `hook` on the wrapped store after it has answered the next call of `operation`, before the caller gets the
    /// answer.
    #[track_caller]
    pub fn after_next<F, Fut>(&self, operation: &str, hook: F)
    where
        F: FnOnce(Arc<S>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let operation = known(operation);
        self.orders().after.entry(operation).or_default().push_back(Box::new(|store| Box::pin(hook(store))));
    }

    /// Forgets every order. Hanging calls keep hanging.
    pub fn clear(&self) {
        let mut orders = self.orders();
        orders.down = false;
        orders.round_trip = Duration::ZERO;
        orders.faults.clear();
        orders.before.clear();
        orders.after.clear();
    }

    /// Releases the calls that hang now.
    pub fn release(&self) {
        self.released.send_modify(|generation| *generation += 1);
    }

    /// Waits until `count` calls hang.
    pub async fn wait_for_hanging(&self, count: usize) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.hanging.subscribe().wait_for(|hanging| *hanging >= count).await;
    }

    fn orders(&self) -> MutexGuard<'_, Orders<S>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hang(&self) {
        let mut released = self.released.subscribe();
        let _hanging = Hanging::new(&self.hanging);
        let _ = released.changed().await;
    }

    async fn run<T>(
        &self,
        operation: &'static str,
        writes: bool,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let half = self.orders().round_trip / 2;
        way(half).await;
        let (down, before, fault, after) = {
            let mut orders = self.orders();
            if orders.down {
                (true, None, None, None)
            } else {
                let before = next(&mut orders.before, operation);
                let fault = next(&mut orders.faults, operation);
                let after = next(&mut orders.after, operation);
                (false, before, fault, after)
            }
        };
        if down {
            return Err(unavailable());
        }
        if let Some(hook) = before {
            hook(Arc::clone(&self.inner)).await;
        }
        match fault {
            Some(Fault::Refused) => return Err(unavailable()),
            Some(Fault::Fails(kind)) => return Err(Error::new(kind, "a fault that a test ordered")),
            Some(Fault::LostRequest) => return Err(lost(writes)),
            Some(Fault::LateRequest) => return Err(late(writes)),
            Some(Fault::Hangs) => self.hang().await,
            Some(Fault::LostReply | Fault::LateReply | Fault::ReplyHangs) | None => {}
        }
        let reply = call.await;
        way(half).await;
        if let Some(hook) = after {
            hook(Arc::clone(&self.inner)).await;
        }
        match fault {
            Some(Fault::LostReply) => return Err(lost(writes)),
            Some(Fault::LateReply) => return Err(late(writes)),
            Some(Fault::ReplyHangs) => self.hang().await,
            _ => {}
        }
        reply
    }
}

async fn way(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn next<T>(queues: &mut HashMap<&'static str, VecDeque<T>>, operation: &'static str) -> Option<T> {
    queues.get_mut(operation)?.pop_front()
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "a fault that a test ordered")
}

fn lost(writes: bool) -> Error {
    if writes { unavailable().undecided() } else { unavailable() }
}

fn late(writes: bool) -> Error {
    if writes { unavailable().late() } else { unavailable() }
}

/// Counts a hanging call, and uncounts it even if the caller gives up.
struct Hanging<'a>(&'a watch::Sender<usize>);

impl<'a> Hanging<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl<S> Clone for FaultStore<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            orders: Arc::clone(&self.orders),
            released: Arc::clone(&self.released),
            hanging: Arc::clone(&self.hanging),
        }
    }
}

impl<S> fmt::Debug for FaultStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore").field("faults", &self.orders().faults).finish_non_exhaustive()
    }
}

impl<S: SessionStore> SessionStore for FaultStore<S> {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.run("load", false, self.inner.load(key)).await
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.run("create", true, self.inner.create(key, value, ttl)).await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        self.run("replace", true, self.inner.replace(key, seen, value, ttl)).await
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.run("delete", true, self.inner.delete(key, seen)).await
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.run("scan", false, self.inner.scan(prefix, from)).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        self.run("purge_expired", true, self.inner.purge_expired()).await
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.run("index_add", true, self.inner.index_add(index, member, deadline)).await
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.run("index_list", false, self.inner.index_list(index)).await
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.run("index_remove", true, self.inner.index_remove(index, members)).await
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.run("time", false, self.inner.time()).await
    }

    #[cfg(feature = "redis")]
    fn change_feed(&self) -> Option<crate::store::ChangeFeed> {
        self.inner.change_feed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const TTL: Duration = Duration::from_secs(60);

    fn whole(value: &'static str) -> Seen {
        Seen::new(value.into(), 0..value.len())
    }

    #[tokio::test]
    async fn a_lost_request_and_a_lost_reply_look_the_same_to_a_writer() {
        let store = FaultStore::new(MemoryStore::new());
        for (key, fault, applied) in [("a", Fault::LostRequest, false), ("b", Fault::LostReply, true)] {
            store.fail_next("create", fault);
            let error = store.create(key, "value".into(), TTL).await.unwrap_err();
            assert_eq!((error.kind(), error.is_undecided()), (ErrorKind::Unavailable, true));
            assert_eq!(store.load(key).await.unwrap().is_some(), applied);
        }
    }

    #[tokio::test]
    async fn faults_strike_as_often_as_ordered_and_only_where_ordered() {
        let store = FaultStore::new(MemoryStore::new());
        store.fail_next_n("load", 2, Fault::Fails(ErrorKind::Unreadable));
        store.fail_next("load", Fault::Refused);
        assert!(store.time().await.is_ok());
        for kind in [ErrorKind::Unreadable, ErrorKind::Unreadable, ErrorKind::Unavailable] {
            let error = store.load("key").await.unwrap_err();
            assert_eq!((error.kind(), error.is_undecided()), (kind, false));
        }
        assert!(store.load("key").await.is_ok());
    }

    #[tokio::test]
    async fn a_store_that_is_down_refuses_everything_until_it_is_up() {
        let store = FaultStore::new(MemoryStore::new());
        store.set_down(true);
        assert!(store.time().await.is_err());
        assert!(store.create("key", "value".into(), TTL).await.is_err());
        store.set_down(false);
        assert!(store.load("key").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_rival_comes_between_load_and_replace() {
        let store = FaultStore::new(MemoryStore::new());
        assert!(store.create("key", "old".into(), TTL).await.unwrap());
        store.before_next("replace", |store| async move {
            assert_eq!(store.replace("key", &whole("old"), "rival".into(), TTL).await.unwrap(), Replaced::Stored);
        });
        store.after_next("load", |store| async move {
            assert_eq!(store.delete("key", None).await.unwrap(), Deleted::Done);
        });
        let replaced = store.replace("key", &whole("old"), "new".into(), TTL).await.unwrap();
        assert_eq!(replaced, Replaced::Conflict("rival".into()));
        assert_eq!(store.load("key").await.unwrap().as_deref(), Some(&b"rival"[..]));
        assert_eq!(store.load("key").await.unwrap(), None);
    }

    #[tokio::test]
    async fn calls_hang_until_they_are_released() {
        let store = FaultStore::new(MemoryStore::new());
        store.fail_next("create", Fault::Hangs);
        store.fail_next("create", Fault::ReplyHangs);
        let first = tokio::spawn({
            let store = store.clone();
            async move { store.create("first", "value".into(), TTL).await }
        });
        store.wait_for_hanging(1).await;
        let second = tokio::spawn({
            let store = store.clone();
            async move { store.create("second", "value".into(), TTL).await }
        });
        store.wait_for_hanging(2).await;
        assert_eq!(store.load("first").await.unwrap(), None);
        assert!(store.load("second").await.unwrap().is_some());
        store.release();
        assert!(first.await.unwrap().unwrap() && second.await.unwrap().unwrap());
        assert!(store.load("first").await.unwrap().is_some());
        assert_eq!(*store.hanging.borrow(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_far_away_takes_its_time_and_decides_in_the_middle_of_it() {
        let store = FaultStore::new(MemoryStore::new());
        store.set_round_trip(Duration::from_secs(2));
        let started = tokio::time::Instant::now();
        let (created, loaded) = tokio::join!(store.create("key", "value".into(), TTL), async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            store.load("key").await
        });
        assert!(created.unwrap() && loaded.unwrap().is_some());
        assert_eq!(started.elapsed(), Duration::from_millis(2001));
        store.clear();
        store.load("key").await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_millis(2001));
    }

    #[test]
    #[should_panic(expected = "no operation `store`")]
    fn a_misspelt_operation_is_an_error_of_the_test() {
        FaultStore::new(MemoryStore::new()).fail_next("store", Fault::Refused);
    }
}
