//! A store that records its calls.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    error::Error,
    store::{Deleted, Page, Replaced, Seen, SessionStore, StoreTime},
};

/// Records the names of the operations that reach another store. Clones share the record.
///
/// ```
/// use shared_session::{store::{MemoryStore, SessionStore}, testing::SpyStore};
///
/// # #[tokio::main] async fn main() {
/// let spy = SpyStore::new(MemoryStore::new());
/// spy.assert_untouched();
/// spy.load("key").await.unwrap();
/// assert_eq!(spy.take_calls(), ["load"]);
/// # }
/// ```
pub struct SpyStore<S> {
    inner: Arc<S>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl<S> SpyStore<S> {
    /// Watches `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { inner: Arc::new(store), calls: Arc::default() }
    }

    /// The wrapped store. Calls made directly on it are not recorded.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The operations so far, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the operations so far and starts a new record.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// # Panics
    ///
    /// If an operation has reached the store.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let calls = self.calls();
        assert!(calls.is_empty(), "the store was touched: {calls:?}");
    }

    fn record(&self, operation: &'static str) -> &S {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        &self.inner
    }
}

impl<S> Clone for SpyStore<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), calls: Arc::clone(&self.calls) }
    }
}

impl<S> fmt::Debug for SpyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpyStore").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl<S: SessionStore> SessionStore for SpyStore<S> {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.record("load").load(key).await
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.record("create").create(key, value, ttl).await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        self.record("replace").replace(key, seen, value, ttl).await
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.record("delete").delete(key, seen).await
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.record("scan").scan(prefix, from).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        self.record("purge_expired").purge_expired().await
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.record("index_add").index_add(index, member, deadline).await
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.record("index_list").index_list(index).await
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.record("index_remove").index_remove(index, members).await
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.record("time").time().await
    }

    #[cfg(feature = "redis")]
    fn change_feed(&self) -> Option<crate::store::ChangeFeed> {
        self.inner.change_feed()
    }
}
