//! Handles that outlive their request wait for its end, which tells them the session's token.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    engine::{
        outcome::CookieAction,
        request::{CurrentToken, Executor, Followed, Origin, RequestEnd, RequestState, Shared, State},
    },
    error::{Error, ErrorKind},
    record::id::Token,
};

/// How long a reopened handle waits for the response of its request.
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
    /// The token that loads the session. Waits for the end of the request that a reopened handle follows.
    pub(crate) async fn token(&self) -> CurrentToken {
        self.carrier().check()?;
        match &self.origin {
            Origin::Request(credentials) => Ok(credentials.token.clone()),
            Origin::Reopened(followed) => followed.token().await,
        }
    }

    /// Ends the request with this `cookie` in its response. Reopened handles get `without_session` if the visitor has
    /// no session. Does nothing if the request has ended.
    pub(super) fn end(&self, cookie: &CookieAction, without_session: Result<(), Error>) {
        self.end_with(|_| token_after(cookie, self.presented(), without_session));
    }

    /// Ends the request without a response. A cookie that an earlier commit made is not sent. Does nothing if the
    /// request has ended.
    pub(super) fn abandon(&self) {
        let mut draft = None;
        self.end_with(|shared| {
            if !matches!(shared.state, State::Committing(_)) {
                draft = Some(std::mem::replace(&mut shared.state, State::Closed));
            }
            match std::mem::replace(&mut shared.cookie, CookieAction::Keep) {
                CookieAction::Set(..) => Err(Error::new(
                    ErrorKind::Closed,
                    "the request was dropped before its visitor had the session's new cookie",
                )),
                cookie => {
                    let message = "the request was dropped before a session was created";
                    token_after(&cookie, self.presented(), Err(Error::new(ErrorKind::Closed, message)))
                }
            }
        });
        // It holds closures of the caller, so it is dropped without the lock.
        drop(draft);
    }

    /// Ends the request with the token that `token` decides, unless it has ended, and tells reopened handles.
    fn end_with(&self, token: impl FnOnce(&mut Shared) -> CurrentToken) {
        let mut shared = self.shared();
        let RequestEnd::Awaited(waiting) = &mut shared.end else { return };
        let waiting = waiting.take();
        let token = token(&mut shared);
        let told = waiting.map(|waiting| (waiting, token.clone()));
        shared.end = RequestEnd::Ended(token);
        drop(shared);
        if let Some((waiting, token)) = told {
            waiting.send_replace(Some(token));
        }
    }

    /// The request that a handle reopened from this one has to follow.
    pub(crate) fn followed(self: &Arc<Self>) -> Followed {
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

/// The session's token of a visitor who sent `presented` and gets this `cookie` change in the response.
fn token_after(cookie: &CookieAction, presented: Option<&Token>, without_session: Result<(), Error>) -> CurrentToken {
    match (cookie, presented) {
        (CookieAction::Set(token, _) | CookieAction::Extend(token, _), _) => Ok(Some(token.clone())),
        (CookieAction::Keep, Some(token)) => Ok(Some(token.clone())),
        (CookieAction::Keep, None) => without_session.map(|()| None),
        (CookieAction::Remove, _) => Err(Error::new(ErrorKind::Gone, "the request signed its visitor out")),
    }
}

impl Shared {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.end, RequestEnd::Ended(_))
    }
}
