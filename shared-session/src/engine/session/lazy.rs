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
        request::{RequestGuard, RequestState, State, credentials::Carrier},
        session::{
            Session,
            load_options::{LoadOptions, Source},
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
    /// [`ErrorKind::Closed`] after the response was decided. A [reopened](crate::SessionManager::reopen) handle has
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
                let loaded = match (inner.token().await, options.source) {
                    (Ok(Some(token)), Source::NearCache) => inner.core.load(&token).await,
                    (Ok(Some(token)), Source::Store) => inner.core.load_fresh(&token).await,
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

    /// The loaded session, if [`load`](Self::load) succeeded before.
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
