//! The end of a request: with a response, or without one if it is dropped.

use std::{
    fmt,
    sync::{Arc, PoisonError},
};

use crate::{
    engine::{
        outcome::CookieAction,
        request::{CurrentToken, Executor, RequestEnd, RequestState, Shared, State},
    },
    error::{Error, ErrorKind},
    record::id::Token,
};

impl RequestState {
    /// Ends the request with this `cookie` in its response. Reopened sessions get `without_session` if the visitor has
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

    /// Ends the request with the token that `token` decides, unless it has ended, and tells reopened sessions.
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
}

impl Shared {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.end, RequestEnd::Ended(_))
    }
}

/// The session's token of a visitor who sent `presented` and gets this `cookie` change in the response.
pub(super) fn token_after(
    cookie: &CookieAction,
    presented: Option<&Token>,
    without_session: Result<(), Error>,
) -> CurrentToken {
    match (cookie, presented) {
        (CookieAction::Set(token, _) | CookieAction::Extend(token, _), _) => Ok(Some(token.clone())),
        (CookieAction::Keep, Some(token)) => Ok(Some(token.clone())),
        (CookieAction::Keep, None) => without_session.map(|()| None),
        (CookieAction::Remove, _) => Err(Error::new(ErrorKind::Gone, "the request signed its visitor out")),
    }
}

impl Drop for RequestState {
    fn drop(&mut self) {
        // Most requests have ended here, which needs no lock to see.
        let shared = self.shared.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !shared.has_ended() {
            self.abandon();
        }
    }
}

/// A middleware holds it next to the future of the handler. If it is dropped before
/// [`SessionManager::close`](crate::SessionManager::close), the request ends there: no clone of its session can edit the
/// session any more, and tasks that wait for a [reopened](crate::LazySession::reopen) session get an error. Both
/// adapters hold one.
#[must_use = "the request ends when this is dropped"]
pub struct RequestGuard(Arc<RequestState>);

impl RequestGuard {
    pub(crate) fn new(request: Arc<RequestState>) -> Self {
        Self(request)
    }

    pub(crate) fn inner(&self) -> &Arc<RequestState> {
        &self.0
    }

    /// Marks the calling task as the one that runs the request, which therefore cannot wait for the request's end. Call
    /// it where the handler's future is polled, if that may be another task than the one that opened the session.
    pub fn enter(&self) {
        self.0.shared().runs_on = Executor::current();
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestGuard").finish_non_exhaustive()
    }
}
