//! Handles that outlive their request: they follow the session that the request ends with.

use std::time::Duration;

use crate::{
    engine::{
        manager::SessionManager,
        request::{CurrentToken, Followed, Method, Origin, RequestState},
        session::lazy::LazySession,
    },
    error::{Error, ErrorKind},
};

/// How long a reopened handle waits for its request to be answered.
const PATIENCE: Duration = Duration::from_secs(30);

impl Origin {
    /// The cookie under which the session is. Waits for the end of the request that a reopened handle follows.
    async fn token(&self) -> CurrentToken {
        match self {
            Self::Request(credentials) => Ok(credentials.token.clone()),
            Self::Reopened(followed) => followed.token().await,
        }
    }
}

impl RequestState {
    /// The token to load the session by.
    pub(crate) async fn token(&self) -> CurrentToken {
        self.check_credentials()?;
        self.origin.token().await
    }
}

impl Followed {
    async fn token(&self) -> CurrentToken {
        let (request, mut end) = match self {
            Self::Ended(place) => return place.clone(),
            Self::Running { request, end } => (request, end.clone()),
        };
        if let Some(place) = &*end.borrow() {
            return place.clone();
        }
        // The request cannot end while it waits for its own end.
        if let Some(request) = request.upgrade().filter(|request| request.runs_here()) {
            return request.so_far();
        }
        match tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await {
            Ok(Ok(place)) => place.clone().unwrap_or(Ok(None)),
            // A request says how it ends before it is gone.
            Ok(Err(_)) => Err(Error::new(ErrorKind::Closed, "the request was dropped")),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the request of the reopened session was not answered for {} seconds", PATIENCE.as_secs()),
            )),
        }
    }
}

impl SessionManager {
    /// A fresh handle to the session that the request of `session` ends with: for what outlives the request, such as
    /// WebSockets, server-sent events, and jobs. No I/O. Commit its edits with
    /// [`Session::commit`](crate::Session::commit).
    ///
    /// [`load`](LazySession::load) of it waits until the request is answered, its commit included, and then loads the
    /// session that the visitor has by then: created, rotated, signed in. In the body of a response, and in all that
    /// runs after it, there is nothing to wait for.
    ///
    /// - **The handler itself** cannot wait for its own response. There, and in all that is polled with it, `load`
    ///   answers what the request has committed so far, or [`ErrorKind::Closed`] if it has no session yet. Do not
    ///   have the handler wait for a task that loads the handle either: that task gives up after 30 seconds, with
    ///   [`ErrorKind::Unavailable`], and may ask again.
    /// - **A request that fails** (5xx) drops its edits; the handle follows the session as it was. If there was none,
    ///   `load` answers the error. The same goes for a request that is dropped; if a commit of its own had made a
    ///   cookie that was not sent, `load` answers [`ErrorKind::Closed`].
    /// - **A request that signs out**: `load` answers [`ErrorKind::Gone`].
    /// - **A visitor without a session** is anonymous, as ever.
    /// - **HEAD and OPTIONS**: the handle is read-only, as the request.
    ///
    /// No response can set a cookie for this handle. So a commit that would need one is refused with
    /// [`ErrorKind::Closed`], and nothing is written: starting a session, signing in, renewing the cookie. What was
    /// acknowledged can always be read by the visitor.
    ///
    /// A session is loaded once by a handle. To read it again later, reopen this handle: all handles that come of one
    /// request follow that request. To know whether the user may still be served, ask
    /// [`Session::standing`](crate::Session::standing); it is the one question that survives a new cookie.
    ///
    /// ```
    /// # use shared_session::{Close, Ending, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let request = manager.open(std::iter::empty());
    /// request.load().await?.insert("before", &1)?;
    /// let events = manager.reopen(&request);
    /// let body = tokio::spawn(async move { events.load().await?.get::<u32>("before") });
    ///
    /// if let Close::Commit(commit) = manager.close(&request, Ending::Completed) {
    ///     let _ = manager.commit(commit).await;
    /// }
    /// assert_eq!(body.await.unwrap()?, Some(1));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn reopen(&self, session: &LazySession) -> LazySession {
        // It may outlive what a cache of users promises to the request.
        let method = if session.0.read_only { Method::ReadOnly } else { Method::Other };
        self.lazy_session(Origin::Reopened(session.0.followed()), method)
    }
}
