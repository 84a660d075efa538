//! A request's session before it is loaded.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    cookie::{Sent, Transport},
    engine::{
        draft::{Draft, Loaded},
        request::{RequestState, State, credentials::Carrier, end::RequestGuard},
        session::{
            Session,
            load_options::{LoadOptions, ReadFrom},
        },
    },
    error::Error,
    reply::{Failure, Rejected, Reply},
    stderr,
    store::StoreTime,
};

/// The session of one request before it is loaded. A middleware stores it in the request, where extractors find it.
///
/// Cloning is cheap; all clones are the same session.
#[derive(Clone)]
pub struct LazySession(pub(crate) Arc<RequestState>);

impl LazySession {
    /// Loads the session: at most one round trip for a request, none if no well-formed cookie was sent. A visitor with
    /// an unknown, expired or replaced cookie is anonymous; that is not an error. The same goes for a [bearer
    /// token](crate::SessionManager::with_bearer_tokens).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store fails; the request is then answered with 503 whatever its handler
    /// returns. [`ErrorKind::AmbiguousCredentials`] for a bearer token beside the session cookie, in the same way.
    /// [`ErrorKind::Closed`] after the response was decided. A [reopened](Self::reopen) session has
    /// further errors.
    pub async fn load(&self) -> Result<Session, Error> {
        self.load_with(LoadOptions::new()).await
    }

    /// As [`load`](Self::load), with options: to read past a near cache, and to set the client that the list of devices
    /// shows for a session that starts here. At most one round trip. If the session is loaded already, the options
    /// change nothing.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_with(&self, options: LoadOptions) -> Result<Session, Error> {
        let inner = &*self.0;
        inner
            .loading
            .get_or_try_init(async || {
                let loaded = match (inner.token().await, options.read_from) {
                    (Ok(Some(token)), ReadFrom::NearCache) => inner.core.load(&token).await,
                    (Ok(Some(token)), ReadFrom::Store) => inner.core.load_fresh(&token).await,
                    (Ok(None), _) => Ok((Loaded::Nothing { refused: false }, StoreTime::default())),
                    (Err(error), _) => Err(error),
                };
                // No response depends on a reopened session, so its error is not stored and the caller may try again.
                let loaded = if inner.is_reopened() { Ok(loaded?) } else { loaded };
                let mut shared = inner.shared();
                if matches!(shared.state, State::Unloaded) {
                    shared.state = match loaded {
                        Ok((base, now)) => State::open_with(Draft::new(base, now, options.client)),
                        Err(error) => State::Failed(error),
                    };
                }
                Ok::<_, Error>(())
            })
            .await?;
        let session = Session(Arc::clone(&self.0));
        session.with(|_| Ok(()))?;
        Ok(session)
    }

    /// Reopens the session with which this request ends: for code that outlives the request, such as
    /// WebSockets, server-sent events, and jobs. No I/O. Commit its edits with
    /// [`Session::commit`](crate::Session::commit).
    ///
    /// The [`load`](Self::load) of a reopened session waits for the end of the request, including the commit, and then
    /// loads the visitor's current session: created, rotated, or signed in. In the body of a response, and after it,
    /// `load` does not have to wait.
    ///
    /// - **The handler itself** cannot wait for its own response. There, and in all futures that are polled with it,
    ///   `load` returns the state that the request has committed so far, or [`ErrorKind::Closed`] if it has no session
    ///   yet. The handler must not wait for a task that loads the reopened session either: that task gives up after 30
    ///   seconds, with [`ErrorKind::Unavailable`], and may try again.
    /// - **A request that fails** (5xx) drops its edits; the reopened session is the one before. If there was none,
    ///   `load` returns the error. The same goes for a request that is dropped; if its own commit had made a cookie
    ///   that was not sent, `load` returns [`ErrorKind::Closed`].
    /// - **A request that signs out**: `load` returns [`ErrorKind::Gone`].
    /// - **A visitor without a session** is anonymous, as usual.
    /// - **HEAD and OPTIONS**: the reopened session is read-only, like the request.
    ///
    /// No response can set a cookie for a reopened session. So a commit that would need one (to start a session, sign
    /// in, or renew the cookie) fails with [`ErrorKind::Closed`] and writes nothing. The visitor can always read
    /// acknowledged edits.
    ///
    /// A reopened session is loaded once. To read it again later, reopen it again. To check whether the user is still
    /// allowed, call [`Session::status`](crate::Session::status); it is the only call that still works after the cookie
    /// was replaced.
    ///
    /// ```
    /// # use shared_session::{Close, Ending, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let request = manager.open(std::iter::empty());
    /// request.load().await?.insert("before", &1)?;
    /// let later = request.reopen();
    /// let job = tokio::spawn(async move { later.load().await?.get::<u32>("before") });
    ///
    /// if let Close::Commit(commit) = manager.close(&request, Ending::Completed) {
    ///     let _ = manager.commit(commit).await;
    /// }
    /// assert_eq!(job.await.unwrap()?, Some(1));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self(self.0.reopened())
    }

    /// The loaded session, if [`load`](Self::load) succeeded before. No I/O.
    #[must_use]
    pub fn loaded(&self) -> Option<Session> {
        self.0.with(|_| Ok(Session(Arc::clone(&self.0)))).ok()
    }

    /// Ends the request if it is dropped without a response; see [`RequestGuard`].
    pub fn guard(&self) -> RequestGuard {
        RequestGuard::new(Arc::clone(&self.0))
    }

    /// The browser's connection, for [`RequestUrl::with_transport`](crate::cookie::RequestUrl::with_transport): by the
    /// request's `scheme` if it is known, its `host` with or without a port, and the first value of each header that
    /// `header` finds by its lower-case name. [`Transport::Unknown`], without a look at them, if the browser sent the
    /// cookie, or the cookie is not `Secure`. For adapters.
    #[must_use]
    pub fn transport<'a>(
        &self,
        scheme: Option<&str>,
        host: Option<&str>,
        header: impl Fn(&'static str) -> Option<&'a [u8]>,
    ) -> Transport {
        if self.asks_for_transport() { Transport::told_by(scheme, host, header) } else { Transport::Unknown }
    }

    /// Warns, once per process, if `outer`, which this session replaces in its request, is the session of another
    /// manager under the same cookie. For adapters.
    pub fn replaces(&self, outer: &Self) {
        static WARNED: AtomicBool = AtomicBool::new(false);
        let (inner, outer) = (&self.0.core, &outer.0.core);
        // Clones of a manager share its counters, whatever was changed since.
        if !Arc::ptr_eq(&inner.stats, &outer.stats) && inner.cookie.name() == outer.cookie.name() {
            stderr::warn_once(
                &WARNED,
                "a session layer is inside of one with another manager, and its session replaces the outer one, so code \
                 between them and code inside of both see different sessions: make one SessionManager and clone it",
            );
        }
    }

    pub(crate) fn asks_for_transport(&self) -> bool {
        self.0.sent() == Sent::Nothing && self.0.core.cookie.config().is_secure()
    }

    /// The response that the manager's hook makes for `failure`. Also writes a [line in the log](Failure::log).
    fn reply(&self, failure: &Failure<'_>) -> Reply {
        failure.log();
        self.0.core.on_error.reply(&Failure { retry_after: self.0.core.retry_after, ..*failure })
    }
}

impl LazySession {
    /// The reply to send instead of the handler's response, and the error that caused it: the commit `failed`, or the
    /// response is `rejected`. `None` if the handler's response may be sent. For adapters.
    #[must_use]
    pub fn answer(
        &self,
        failed: Option<&Error>,
        rejected: Option<&Rejected>,
        method: &str,
        path_and_query: &str,
    ) -> Option<(Reply, Error)> {
        let error = failed.or(rejected.map(Rejected::error))?;
        let to_login_page = match failed {
            // A client with a bearer token does not show pages.
            None if self.0.carrier() != Carrier::Bearer => {
                rejected.and_then(|rejected| rejected.to_login_page(method, path_and_query))
            }
            _ => None,
        };
        let mut reply = to_login_page.unwrap_or_else(|| self.reply(&Failure::new(error, method, path_and_query)));
        if self.0.core.bearer
            && let Some(challenge) = self.0.carrier().challenge(error.kind(), reply.status)
        {
            reply.headers.push(("www-authenticate", challenge.to_owned()));
        }
        Some((reply, error.clone()))
    }
}

impl Session {
    /// The session with which this request ends, for code that outlives the request: server-sent events, WebSockets,
    /// jobs. See [`LazySession::reopen`]. No I/O.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
    /// let later = session.reopen();
    /// tokio::spawn(async move {
    ///     // After the response: the session as the request has left it.
    ///     later.load().await?.insert("report", "ready")
    /// });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn reopen(&self) -> LazySession {
        LazySession(self.0.reopened())
    }
}

#[cfg(feature = "tower")]
impl RequestGuard {
    /// The session of the request.
    pub(crate) fn session(&self) -> LazySession {
        LazySession(Arc::clone(self.inner()))
    }
}

impl fmt::Debug for LazySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazySession").finish_non_exhaustive()
    }
}
