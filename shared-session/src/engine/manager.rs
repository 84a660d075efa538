//! The engine between a framework and a store: open, close, commit.

pub(crate) mod audit;
pub(crate) mod bearer;
pub(crate) mod check_fleet;
pub(crate) mod check_writes;
pub(crate) mod form_tokens;
pub(crate) mod open;
pub(crate) mod session_list;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "redis")]
use crate::engine::near::NearCache;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    audit::Audit,
    cookie::{SessionCookie, SignedCookies},
    engine::{
        core::{Core, clock::StoreClock, max_size::MaxSize, session_limit::SessionLimit, stats::Stats},
        outcome::{Ending, Outcome},
        request::commit::{Close, Commit},
        session::lazy::LazySession,
    },
    error::Error,
    record::{Profile, lifetime::Lifetime},
    reply::{Failure, OnError},
    store::SessionStore,
};

/// The session engine: a store, a wire format, a cookie and lifetimes. Independent of any framework.
///
/// A middleware calls [`open_request`](Self::open_request) with the request's headers, lets the handler work on the
/// [`LazySession`], then calls [`close`](Self::close) and, if there is something to store,
/// [`commit`](Self::commit) before it sends the response. The Tower layer and the Actix middleware do nothing else.
///
/// ```
/// use shared_session::{Close, Ending, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// let manager = SessionManager::new(MemoryStore::new());
/// let request = manager.open(std::iter::empty());
/// request.load().await?.insert("theme", "dark")?;
/// let outcome = match manager.close(&request, Ending::Completed) {
///     Close::Done(outcome) => outcome,
///     Close::Commit(commit) => manager.commit(commit).await,
/// };
/// assert!(outcome.set_cookie().is_some_and(|cookie| cookie.starts_with("__Host-session=")));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SessionManager(pub(crate) Arc<Core>);

impl SessionManager {
    /// An engine over `store` with the default profile, cookie (`__Host-session`) and [`Lifetime`].
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self(Arc::new(Core {
            store: Arc::new(store),
            profile: Profile::default().0,
            cookie: SessionCookie::default(),
            signed_cookies: None,
            bearer: false,
            forms: None,
            lifetime: Lifetime::default(),
            max_size: MaxSize { any: 512 * 1024, anonymous: 4 * 1024 },
            session_limit: None,
            last_write: Arc::default(),
            on_error: OnError::default(),
            retry_after: Failure::DEFAULT_RETRY_AFTER,
            clock: Arc::new(StoreClock::new(Duration::from_secs(300))),
            stats: Arc::default(),
            audit: Audit::default(),
            overtaken_writers: Arc::default(),
            #[cfg(feature = "redis")]
            near_cache: None,
            near: None,
            config_error: None,
            #[cfg(feature = "users")]
            users: None,
            #[cfg(feature = "users")]
            indexed_sessions: Arc::default(),
        }))
    }

    pub(crate) fn with(self, f: impl FnOnce(&mut Core)) -> Self {
        let mut core = Arc::unwrap_or_clone(self.0);
        f(&mut core);
        Self(Arc::new(core))
    }

    /// This manager with store connections that the current runtime drives, for servers that have a runtime in each
    /// thread: calls then need no other thread, which saves a third of their processor time. The middleware of
    /// `shared-session-actix` calls it; with Tokio's multi-threaded runtime it is of no use. Does not wait: it connects
    /// in the background.
    ///
    /// Settings, hooks and statistics are shared. All managers on one runtime share their connections. Until these are
    /// made, calls use the existing ones. A store without connections of its own, a store in a cluster, and a manager
    /// with a [near cache](Self::with_near_cache), whose reads need no connection, stay unchanged.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use shared_session::{SessionManager, store::MemoryStore};
    ///
    /// let manager = SessionManager::new(MemoryStore::new());
    /// let in_each_thread = move || manager.on_this_runtime();
    /// # in_each_thread();
    /// # }
    /// ```
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        let own = if self.0.near.is_some() { None } else { self.0.store.on_this_runtime() };
        match own {
            None => self.clone(),
            Some(store) => self.clone().with(|core| core.store = store),
        }
    }

    /// The wire format and key prefix. Default: native, with the prefix `shared_session:`.
    ///
    /// A [near cache](Self::with_near_cache) and [signed cookies](Self::with_signed_cookies) need the native profile.
    /// If they were set before this call and `profile` is another one, every request, and [`ping`](Self::ping), gets
    /// [`ErrorKind::Config`].
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        self.with(|core| {
            core.profile = profile.0;
            core.check_settings();
        })
    }

    /// The cookie. Default: `__Host-session`, Secure, HttpOnly, SameSite=Lax, for the browser's session.
    #[must_use]
    pub fn with_cookie(self, cookie: SessionCookie) -> Self {
        self.with(|core| core.cookie = cookie)
    }

    /// Signs the cookie, so that a forged one costs no store call. Default: no signature, because the store refuses a
    /// forged cookie just as reliably: the secret is random. Every service of the fleet needs the same keys;
    /// [`SignedCookies`] describes how to introduce them.
    ///
    /// Costs one HMAC-SHA-256 for a request with a cookie, two and more while the keys have fallbacks.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the sessions are Django's, because Django cannot read the signature.
    pub fn with_signed_cookies(self, cookies: SignedCookies) -> Result<Self, Error> {
        let manager = self.with(|core| {
            core.signed_cookies = Some(cookies);
            core.check_settings();
        });
        manager.0.config_error.clone().map_or(Ok(manager), Err)
    }

    /// The lifetime of sessions. Default: 14 days idle, 90 days in all.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Lifetime) -> Self {
        self.with(|core| core.lifetime = lifetime)
    }

    /// The largest record, in bytes. A commit beyond it is [`ErrorKind::TooLarge`] and stores nothing. Default:
    /// 512 KiB.
    #[must_use]
    pub fn with_max_size(self, bytes: usize) -> Self {
        self.with(|core| core.max_size.any = bytes)
    }

    /// The largest record of an anonymous session, in bytes: anyone can start such sessions, and each takes memory
    /// until it ends. A commit beyond it is [`ErrorKind::TooLarge`] and stores nothing; a session that is larger
    /// already may shrink. Default: 4 KiB; a limit above [`with_max_size`](Self::with_max_size) changes nothing. No
    /// I/O.
    ///
    /// See [`Lifetime::with_anonymous`] for how long such sessions live, and [`throttle`](crate::throttle) for how many
    /// of them one client may start.
    ///
    /// ```
    /// # use shared_session::{Close, Ending, ErrorKind, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// let manager = SessionManager::new(MemoryStore::new()).with_anonymous_max_size(1024);
    /// let session = manager.open([]).load().await?;
    /// session.insert("note", &"x".repeat(1000))?;
    /// assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::TooLarge);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_anonymous_max_size(self, bytes: usize) -> Self {
        self.with(|core| core.max_size.anonymous = bytes)
    }

    /// The number of sessions that a user may have at a time. Default: unlimited, so that no sign-in ends another
    /// session or costs the extra reads.
    ///
    /// The limit is exact even for simultaneous sign-ins: fifty sign-ins with a limit of three leave three. In Django's
    /// profiles the age of a session whose sign-in is not [dated](crate::Session::authenticated_at) counts from its
    /// start, and simultaneous sign-ins may exceed the limit. Sessions that another program signed in count once a
    /// service with this library has seen them.
    ///
    /// Costs a sign-in one read of the user's index, and one round trip for each session if the index holds more than
    /// the limit. [`Refuse`](SessionLimit::Refuse) adds one read before the sign-in and, at the limit, one SELECT,
    /// because sessions that a new password has ended do not count. Not for `DjangoDbStore`, which has no index and
    /// reads all sessions.
    ///
    /// ```
    /// # use shared_session::{Identity, SessionLimit, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// let manager = SessionManager::new(MemoryStore::new()).with_session_limit(SessionLimit::EndOldest(2));
    /// for _ in 0..5 {
    ///     let session = manager.open([]).load().await?;
    ///     session.login_as(Identity::new("1", "", 0))?;
    ///     session.commit().await?;
    /// }
    /// assert_eq!(manager.sessions_of("1").await?.len(), 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_session_limit(self, limit: SessionLimit) -> Self {
        self.with(|core| core.session_limit = Some(limit))
    }

    /// Makes the response to a failure, in every adapter: a closure, or an [`OnError`]. Default:
    /// [`Reply::problem`](crate::Reply::problem).
    ///
    /// ```
    /// use shared_session::{ErrorKind, Failure, Reply, SessionManager, store::MemoryStore};
    ///
    /// let manager = SessionManager::new(MemoryStore::new()).with_on_error(|failure: &Failure<'_>| {
    ///     match failure.error.kind() {
    ///         ErrorKind::Unauthenticated => Reply::see_other("/login"),
    ///         _ => Reply::problem(failure),
    ///     }
    /// });
    /// # let _ = manager;
    /// ```
    #[must_use]
    pub fn with_on_error(self, on_error: impl Into<OnError>) -> Self {
        self.with(|core| core.on_error = on_error.into())
    }

    /// When clients may retry after a 503 because the store or the user database fails: `Retry-After`, in whole
    /// seconds. Default: one second, because most outages are a restart or a failover.
    ///
    /// The behaviour during an outage is fixed: requests that need the session get 503 and keep their cookie, the
    /// others continue. To continue as an anonymous visitor would look like a sign-out, and would lift the restrictions
    /// that a session imposes. [`with_on_error`](Self::with_on_error) sets the look of the response.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// let manager = SessionManager::new(MemoryStore::new()).with_retry_after(Duration::from_secs(5));
    /// # let _ = manager;
    /// ```
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.with(|core| core.retry_after = after)
    }

    /// How long the manager uses an estimate of the store's clock before it reads the clock again. Default: 5 minutes;
    /// zero reads it each time.
    #[must_use]
    pub fn with_clock_refresh(self, every: Duration) -> Self {
        self.with(|core| core.clock = Arc::new(StoreClock::new(every)))
    }

    /// Keeps sessions in this process until Redis announces a change. Default: no cache, so that every request sees all
    /// acknowledged writes of other services. [`NearCache`] tells how old a kept session can be.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the sessions are Django's, if the store [announces no
    /// changes](SessionStore::change_feed), or if it uses a pool.
    #[cfg(feature = "redis")]
    pub fn with_near_cache(self, near: NearCache) -> Result<Self, Error> {
        let manager = self.with(|core| {
            core.near_cache = Some(near);
            core.check_settings();
        });
        match &manager.0.config_error {
            Some(error) => Err(error.clone()),
            None => Ok(manager),
        }
    }

    /// Closes the session, loaded or not, and decides the write. Later edits are errors. No I/O.
    pub fn close(&self, session: &LazySession, ending: Ending) -> Close {
        session.0.close(ending)
    }

    /// Runs the write that [`close`](Self::close) decided. Once polled it runs to its end: if this future is dropped
    /// before that, the rest runs on a separate task.
    ///
    /// If the handler began a commit and did not wait for it, this waits a few seconds to learn the result and
    /// send its cookie.
    pub async fn commit(&self, commit: Commit) -> Outcome {
        commit.run().await
    }

    /// Checks that the store answers, by asking for its time. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it does not; [`ErrorKind::Config`] if the profile does not support the near cache
    /// or the signed cookies.
    pub async fn ping(&self) -> Result<(), Error> {
        self.0.config_error.clone().map_or(Ok(()), Err)?;
        self.0.store.time().await.map(drop)
    }

    /// Removes expired records from stores that do not expire them, and returns their number. Call it every few
    /// minutes.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn purge_expired(&self) -> Result<u64, Error> {
        self.0.store.purge_expired().await
    }

    /// The counters of this process so far. No I/O.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats.read()
    }

    /// The cookie of this engine.
    #[must_use]
    pub fn cookie(&self) -> &SessionCookie {
        &self.0.cookie
    }

    /// The hook given by [`with_on_error`](Self::with_on_error).
    #[must_use]
    pub fn on_error(&self) -> &OnError {
        &self.0.on_error
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("profile", &self.0.profile)
            .field("cookie", &self.0.cookie)
            .field("lifetime", &self.0.lifetime)
            .finish_non_exhaustive()
    }
}
