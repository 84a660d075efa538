use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use shared_session::{
    ErrorKind, LazySession, OnError, Reply, SecretKeys, SessionManager, SessionStatus,
    audit::AuditEvent,
    cookie::CookieConfig,
    csrf::{CrossOrigin, FormTokens},
    store::MemoryStore,
    testing::{FaultStore, SpyStore},
};

use crate::{Accounts, Gate, TestUsers};

/// The one origin besides their own that the apps accept.
pub const ORIGIN: &str = "https://app.example";

/// The name of the cookie of [`World::plain_manager`].
pub const PLAIN_COOKIE: &str = "plain";

/// Longer than the age of any sign-in in a test.
pub const HOUR: Duration = Duration::from_secs(3600);

/// A sign-in in a test is soon older than this.
pub const MILLISECOND: Duration = Duration::from_millis(1);

/// The `Retry-After` of a 503.
pub const RETRY_AFTER: Duration = Duration::from_secs(7);

/// The state that the apps share with a test: a store with a call log and injected faults, users, and gates. Clones
/// share it.
#[derive(Clone, Debug)]
pub struct World {
    store: SpyStore<FaultStore<MemoryStore>>,
    users: TestUsers,
    gates: Arc<Mutex<HashMap<String, Arc<Gate>>>>,
    told: Arc<Mutex<Vec<AuditEvent>>>,
}

impl World {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let store = SpyStore::new(FaultStore::new(MemoryStore::new()));
        Self { store, users: TestUsers::new(), gates: Arc::default(), told: Arc::default() }
    }

    /// A session manager over the store, like that of a separate service. Its hook adds an `x-hook` header with the
    /// kind of the error, and redirects visitors who are not signed in if the query is `page`.
    #[must_use]
    pub fn manager(&self) -> SessionManager {
        let keys = keys();
        let hook = OnError::new(|failure| {
            let kind = failure.error.kind();
            if kind == ErrorKind::Unauthenticated && failure.path_and_query.ends_with("?page") {
                return Reply::see_other(format!("/login?to={}:{}", failure.method, failure.path_and_query));
            }
            let mut reply = Reply::problem(failure);
            reply.headers.push(("x-hook", format!("{kind:?}")));
            reply
        });
        let told = Arc::clone(&self.told);
        SessionManager::new(self.store.clone())
            .with_audit(move |event| told.lock().unwrap().push(event.clone()))
            .with_form_tokens(FormTokens::new(keys.clone()))
            .with_users(self.users.clone(), keys)
            .with_on_error(hook)
            .with_retry_after(RETRY_AFTER)
    }

    /// The same with a cookie that browsers accept in any scope.
    #[must_use]
    pub fn plain_manager(&self) -> SessionManager {
        self.manager().with_cookie(CookieConfig::new(PLAIN_COOKIE).with_secure(false).build().unwrap())
    }

    /// The same with users of an application-defined type.
    #[must_use]
    pub fn own_manager(&self) -> SessionManager {
        self.manager().with_users(Accounts, keys())
    }

    /// The sessions under `/bearer`, which accept bearer tokens.
    #[must_use]
    pub fn bearer_manager(&self) -> SessionManager {
        self.manager().with_bearer_tokens()
    }

    /// The check before `/bearer/guarded`: as [`cross_origin`](Self::cross_origin), and bearer tokens pass.
    #[must_use]
    pub fn bearer_cross_origin(&self) -> CrossOrigin {
        self.cross_origin().with_bearer_tokens()
    }

    /// The check before `/guarded`: pages of [`ORIGIN`] may pass.
    #[must_use]
    pub fn cross_origin(&self) -> CrossOrigin {
        CrossOrigin::new([ORIGIN]).unwrap()
    }

    /// The status of the session of `request`, repeatedly, one line each; ends when the session is no longer valid.
    pub fn events(&self, request: &LazySession) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        stream::unfold(request.reopen(), |session| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let line = match session.load().await.ok()?.status().await {
                SessionStatus::Valid => "valid\n",
                SessionStatus::Rotated => "rotated\n",
                SessionStatus::Unknown(_) => "unknown\n",
                _ => return None,
            };
            Some((Ok(Bytes::from(line)), session))
        })
    }

    /// The users.
    #[must_use]
    pub fn users(&self) -> &TestUsers {
        &self.users
    }

    /// The gate of this name.
    #[must_use]
    pub fn gate(&self, name: &str) -> Arc<Gate> {
        Arc::clone(self.gates.lock().unwrap().entry(name.to_owned()).or_default())
    }

    /// The store to inject faults into.
    #[must_use]
    pub fn faults(&self) -> &FaultStore<MemoryStore> {
        self.store.inner()
    }

    /// The inner store, without faults and without a call log.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        self.faults().inner()
    }

    /// The audit events since the last call.
    #[must_use]
    pub fn told(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The calls that reached the store since the last time, without reads of the store's time, which a manager makes
    /// every few minutes.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.store.take_calls().into_iter().filter(|call| *call != "time").collect()
    }
}

fn keys() -> SecretKeys {
    SecretKeys::new("the secret key of the tests, which is long enough").unwrap()
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
