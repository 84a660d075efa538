//! Reopened sessions outlive their request: they wait for its end, which tells them the session's token.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    engine::request::{CurrentToken, Executor, Followed, Method, Origin, RequestEnd, RequestState, end::token_after},
    error::{Error, ErrorKind},
};

/// How long a reopened session waits for the response of its request.
const PATIENCE: Duration = Duration::from_secs(30);

impl Followed {
    async fn token(&self) -> CurrentToken {
        let (request, mut end) = match self {
            Self::Ended(token) => return token.clone(),
            Self::Running { request, end } => (request, end.clone()),
        };
        if let Some(token) = &*end.borrow() {
            return token.clone();
        }
        // The request cannot end while it waits for its own end.
        if let Some(request) = request.upgrade().filter(|request| request.runs_here()) {
            return request.so_far();
        }
        let ended = tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await;
        match ended.map(|token| token.ok().and_then(|token| token.clone())) {
            Ok(Some(token)) => token,
            // A request reports its end before it is dropped.
            Ok(None) => Err(Error::new(ErrorKind::Closed, "the request was dropped")),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("the request of the reopened session was not answered for {} seconds", PATIENCE.as_secs()),
            )),
        }
    }
}

impl RequestState {
    /// The token that loads the session. Waits for the end of the request that a reopened session follows.
    pub(crate) async fn token(&self) -> CurrentToken {
        self.carrier().check()?;
        match &self.origin {
            Origin::Request(credentials) => Ok(credentials.token.clone()),
            Origin::Reopened(followed) => followed.token().await,
        }
    }

    /// The session with which this request ends, for code that outlives it.
    pub(crate) fn reopened(self: &Arc<Self>) -> Arc<Self> {
        // It may outlive the time for which a user cache may answer, so it never uses that cache.
        let method = if self.read_only { Method::ReadOnly } else { Method::Other };
        Arc::new(Self::new(Arc::clone(&self.core), Origin::Reopened(self.followed()), method))
    }

    /// The request that a session reopened from this one has to follow.
    fn followed(self: &Arc<Self>) -> Followed {
        if let Origin::Reopened(followed) = &self.origin {
            return followed.clone();
        }
        match &mut self.shared().end {
            RequestEnd::Ended(token) => Followed::Ended(token.clone()),
            RequestEnd::Awaited(waiting) => {
                let waiting = waiting.get_or_insert_with(|| watch::Sender::new(None));
                Followed::Running { request: Arc::downgrade(self), end: waiting.subscribe() }
            }
        }
    }

    /// Whether the caller runs where the request runs, and therefore cannot wait for the request's end.
    fn runs_here(&self) -> bool {
        self.shared().runs_on == Executor::current()
    }

    /// The session's token after the commits of this request so far.
    fn so_far(&self) -> CurrentToken {
        let message = "the request has no session yet: commit first, or load the reopened session after the response";
        token_after(&self.shared().cookie, self.presented(), Err(Error::new(ErrorKind::Closed, message)))
    }
}
