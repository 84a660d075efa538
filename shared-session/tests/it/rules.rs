//! The rules behind the guarantees (ARCHITECTURE.md), one module each, over a store that fails on demand. `http-suite`
//! tests the adapters.

#![allow(unused_must_use, reason = "tests may ignore a result")]

mod audit;
mod bearer;
mod conflict;
mod cookies_in;
mod cross_origin;
mod current_user;
mod django;
mod django_cookie;
mod entries;
mod expiry;
mod followed;
mod forms;
mod fresh;
mod late_logout;
mod late_write;
mod login;
mod logout;
mod lost_reply;
pub(crate) mod near_cache;
mod observed;
mod own_commits;
mod own_users;
mod passwords;
mod reopened;
mod revocation;
mod round_trips;
mod sealed;
mod session_limit;
mod signed_cookies;
mod small_edits;
mod sql;
mod time;
mod update;
mod user_cache;
mod values;

use std::time::Duration;

use bytes::Bytes;
use shared_session::{
    Close, Ending, ErrorKind, Handle, Identity, LazySession, Lifetime, Outcome, Profile, Session, SessionManager,
    cookie::CookieConfig,
    store::{MemoryStore, StoreTime},
    testing::{FaultStore, SpyStore},
};

pub(crate) type Store = SpyStore<FaultStore<MemoryStore>>;

/// One or more services over one store.
pub(crate) type Fleet = FleetOf<false>;

/// A fleet with or without sealed records.
pub(crate) struct FleetOf<const SEALED: bool> {
    pub(crate) manager: SessionManager,
    pub(crate) store: Store,
    pub(crate) memory: MemoryStore,
}

pub(crate) const IDLE: Duration = Duration::from_secs(1000);
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(5000);

fn lifetime() -> Lifetime {
    Lifetime::default().with_idle(IDLE).with_absolute(ABSOLUTE)
}

impl<const SEALED: bool> FleetOf<SEALED> {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::with_clock(StoreTime(1_700_000_000_000));
        Self::over(SpyStore::new(FaultStore::new(memory.clone())), memory)
    }

    /// Another service over `store`.
    pub(crate) fn over(store: Store, memory: MemoryStore) -> Self {
        let manager = SessionManager::new(store.clone())
            .with_profile(if SEALED { sealed::profile() } else { profile() })
            .with_cookie(CookieConfig::new("sid").build().unwrap())
            .with_lifetime(lifetime())
            .with_clock_refresh(Duration::ZERO);
        Self { manager, store, memory }
    }

    pub(crate) fn faults(&self) -> &FaultStore<MemoryStore> {
        self.store.inner()
    }

    /// A request with the browser's cookie.
    pub(crate) fn request(&self, browser: &Browser) -> LazySession {
        self.manager.open(browser.0.as_ref().map(|cookie| cookie.as_bytes()))
    }

    pub(crate) async fn load(&self, browser: &Browser) -> (LazySession, Session) {
        let handle = self.request(browser);
        let session = handle.load().await.unwrap();
        (handle, session)
    }

    /// Ends a request whose handler responded with 200.
    pub(crate) async fn finish(&self, handle: &LazySession) -> Outcome {
        self.finish_with(handle, Ending::Completed).await
    }

    pub(crate) async fn finish_with(&self, handle: &LazySession, ending: Ending) -> Outcome {
        match self.manager.close(handle, ending) {
            Close::Done(outcome) => outcome,
            Close::Commit(commit) => self.manager.commit(commit).await,
        }
    }

    /// A whole request: load, edit, commit; the browser receives the response.
    pub(crate) async fn serve(&self, browser: &mut Browser, edit: impl FnOnce(&Session)) -> Outcome {
        let (handle, session) = self.load(browser).await;
        edit(&session);
        let outcome = self.finish(&handle).await;
        browser.take(&outcome);
        outcome
    }

    pub(crate) async fn get(&self, browser: &Browser, name: &str) -> Option<serde_json::Value> {
        self.load(browser).await.1.get(name).unwrap()
    }

    pub(crate) async fn user_id(&self, browser: &Browser) -> Option<String> {
        self.load(browser).await.1.identity().unwrap().map(|identity| identity.user_id)
    }
}

pub(crate) fn profile() -> Profile {
    Profile::default()
}

/// The text of a native record stored as `bytes` under `key`.
fn opened(_: &str, bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The stored form of `text` under `key`.
fn stored(_: &str, text: String) -> Bytes {
    text.into()
}

/// A browser with a single cookie.
#[derive(Clone, Default)]
pub(crate) struct Browser(pub(crate) Option<String>);

impl Browser {
    pub(crate) fn take(&mut self, outcome: &Outcome) {
        if let Some(cookie) = outcome.set_cookie() {
            let pair = cookie.split(';').next().unwrap();
            self.0 = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::parse(&self.0.as_ref().unwrap()["sid=".len()..][..24]).unwrap()
    }

    pub(crate) fn key(&self) -> String {
        format!("shared_session:{}", self.handle())
    }
}

pub(crate) fn user(id: &str) -> Identity {
    Identity::new(id, "hash", 0)
}

pub(crate) fn kind(outcome: &Outcome) -> Option<ErrorKind> {
    outcome.error().map(shared_session::Error::kind)
}
