//! An abandoned write may still arrive: on a connection that was replaced since, after a look-up that did not find it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use shared_session::{
    Close, Ending, Error, ErrorKind, SessionManager,
    cookie::CookieConfig,
    store::{Deleted, MemoryStore, Page, Replaced, Seen, SessionStore, StoreTime},
};

use super::kind;

type Write = (String, Seen, Bytes, Duration);

/// The next write is delayed and abandoned. It arrives just before the following one; then a rival writes.
#[derive(Clone)]
struct Late {
    memory: MemoryStore,
    is_next: Arc<AtomicBool>,
    held: Arc<Mutex<Option<Write>>>,
    rival: Arc<Mutex<Option<(SessionManager, shared_session::LazySession)>>>,
}

impl SessionStore for Late {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.memory.load(key).await
    }
    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.memory.create(key, value, ttl).await
    }
    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        if self.is_next.swap(false, Ordering::SeqCst) {
            *self.held.lock().unwrap() = Some((key.to_owned(), seen.clone(), value, ttl));
            return Err(Error::new(ErrorKind::Unavailable, "no reply").undecided());
        }
        let held = self.held.lock().unwrap().take();
        if let Some((key, seen, value, ttl)) = held {
            assert_eq!(self.memory.replace(&key, &seen, value, ttl).await.unwrap(), Replaced::Stored);
            let (manager, rival) = self.rival.lock().unwrap().take().unwrap();
            match manager.close(&rival, Ending::Completed) {
                Close::Commit(commit) => assert!(manager.commit(commit).await.error().is_none()),
                Close::Done(_) => panic!("the rival has nothing to write"),
            }
        }
        self.memory.replace(key, seen, value, ttl).await
    }
    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.memory.delete(key, seen).await
    }
    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.memory.scan(prefix, from).await
    }
    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.memory.index_add(index, member, deadline).await
    }
    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.memory.index_list(index).await
    }
    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.memory.index_remove(index, members).await
    }
    async fn time(&self) -> Result<StoreTime, Error> {
        self.memory.time().await
    }
}

#[tokio::test]
async fn a_write_that_arrives_after_it_was_not_found_is_not_applied_twice() {
    let late =
        Late { memory: MemoryStore::new(), is_next: Arc::default(), held: Arc::default(), rival: Arc::default() };
    let manager = |store| SessionManager::new(store).with_cookie(CookieConfig::new("sid").build().unwrap());
    let (manager, direct) = (manager(late.clone()), SessionManager::new(late.memory.clone()));
    let direct = direct.with_cookie(CookieConfig::new("sid").build().unwrap());

    let first = manager.open(std::iter::empty());
    first.load().await.unwrap().insert("n", &0).unwrap();
    let Close::Commit(commit) = manager.close(&first, Ending::Completed) else { panic!("nothing to write") };
    let outcome = manager.commit(commit).await;
    let cookie = outcome.set_cookie().unwrap().split(';').next().unwrap().to_owned();
    let open = |manager: &SessionManager| manager.open([cookie.as_bytes()]);
    let add_one = async |handle: &shared_session::LazySession| {
        handle.load().await.unwrap().update("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
    };

    let (handle, rival) = (open(&manager), open(&direct));
    add_one(&handle).await;
    add_one(&rival).await;
    *late.rival.lock().unwrap() = Some((direct.clone(), rival));
    late.is_next.store(true, Ordering::SeqCst);
    let Close::Commit(commit) = manager.close(&handle, Ending::Completed) else { panic!("nothing to write") };
    let outcome = manager.commit(commit).await;

    let stored: Option<u64> = open(&direct).load().await.unwrap().get("n").unwrap();
    assert_eq!(stored, Some(2), "each update once");
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
}
