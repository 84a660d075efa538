//! The shared parts of the benches: handlers, sessions of a given size, and a store that does nothing.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on must stop")]

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::header::COOKIE;
use shared_session::{
    Close, Ending, Error, SessionManager,
    store::{Deleted, Page, Replaced, Seen, SessionStore, StoreTime},
};

pub mod handlers;

/// The request type of the benches.
pub type Request = http::Request<()>;
/// The response type of the handlers.
pub type Response = http::Response<String>;

/// A request that presents `cookie`, if any.
///
/// # Panics
/// If `cookie` is not a header value.
#[must_use]
pub fn request(cookie: Option<&str>) -> Request {
    let request = http::Request::get("/account");
    cookie.into_iter().fold(request, |request, cookie| request.header(COOKIE, cookie)).body(()).unwrap()
}

/// Stores a session whose entries have about `size` bytes in total, and returns the `Cookie` header that opens it.
///
/// # Panics
/// If the store fails.
pub async fn new_session(manager: &SessionManager, size: usize) -> String {
    let handle = manager.open([]);
    let session = handle.load().await.unwrap();
    session.insert("visits", &1).unwrap();
    for n in 0..10 {
        // The name, its colon, the comma and the quotes are 12 bytes.
        session.insert(&format!("entry{n}"), &"x".repeat(size / 10 - 12)).unwrap();
    }
    let Close::Commit(commit) = manager.close(&handle, Ending::Completed) else { unreachable!("there are edits") };
    let outcome = manager.commit(commit).await;
    outcome.set_cookie().unwrap().split(';').next().unwrap().to_owned()
}

/// Keeps the first stored record, returns it for every load, and does nothing else.
#[derive(Debug, Default)]
pub struct FixedStore(OnceLock<Bytes>);

impl SessionStore for FixedStore {
    async fn load(&self, _key: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.0.get().cloned())
    }

    async fn create(&self, _key: &str, value: Bytes, _ttl: Duration) -> Result<bool, Error> {
        Ok(self.0.set(value).is_ok())
    }

    async fn replace(&self, _key: &str, _seen: &Seen, _value: Bytes, _ttl: Duration) -> Result<Replaced, Error> {
        Ok(Replaced::Stored)
    }

    async fn delete(&self, _key: &str, _seen: Option<&Seen>) -> Result<Deleted, Error> {
        Ok(Deleted::Done)
    }

    async fn scan(&self, _prefix: &str, _from: Option<&str>) -> Result<Page, Error> {
        Ok(Page::default())
    }

    async fn index_add(&self, _index: &str, _member: &str, _deadline: StoreTime) -> Result<(), Error> {
        Ok(())
    }

    async fn index_list(&self, _index: &str) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn index_remove(&self, _index: &str, _members: &[String]) -> Result<(), Error> {
        Ok(())
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        Ok(StoreTime(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap()))
    }
}
