//! Handles that outlive their request wait for its end, which tells them the session's token.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task};

use crate::{
    engine::{
        outcome::CookieAction,
        request::{CurrentToken, Followed, Origin, RequestEnd, RequestState, Shared, State},
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
        match tokio::time::timeout(PATIENCE, end.wait_for(Option::is_some)).await {
            Ok(Ok(token)) => token.clone().unwrap_or(Ok(None)),
            // A request reports its end before it is dropped.
            Ok(Err(_)) => Err(Error::new(ErrorKind::Closed, "the request was dropped")),
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

    /// Ends the request with this `cookie` in its response. Without a session, reopened handles get `none`. Later calls
    /// do nothing.
    pub(super) fn end(&self, cookie: &CookieAction, none: Result<(), Error>) {
        let mut shared = self.shared();
        let RequestEnd::Awaited(waiting) = &mut shared.end else { return };
        let waiting = waiting.take();
        let token = token_after(cookie, self.presented(), none);
        let told = waiting.map(|waiting| (waiting, token.clone()));
        shared.end = RequestEnd::Ended(token);
        drop(shared);
        if let Some((waiting, token)) = told {
            waiting.send_replace(Some(token));
        }
    }

    /// Ends the request without a response. A cookie that an earlier commit made is not sent.
    pub(super) fn abandon(&self) {
        let none = || Error::new(ErrorKind::Closed, "the request was dropped before a session was created");
        let cookie = {
            let mut shared = self.shared();
            if matches!(shared.end, RequestEnd::Ended(_)) {
                return;
            }
            if !matches!(shared.state, State::Committing(_)) {
                shared.state = State::Closed;
            }
            std::mem::replace(&mut shared.cookie, CookieAction::Keep)
        };
        match cookie {
            CookieAction::Set(..) => self.end_nowhere(Error::new(
                ErrorKind::Closed,
                "the request was dropped before its visitor had the session's new cookie",
            )),
            cookie => self.end(&cookie, Err(none())),
        }
    }

    fn end_nowhere(&self, error: Error) {
        let mut shared = self.shared();
        let end = std::mem::replace(&mut shared.end, RequestEnd::Ended(Err(error.clone())));
        drop(shared);
        if let RequestEnd::Awaited(Some(waiting)) = end {
            waiting.send_replace(Some(Err(error)));
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

    /// Whether the caller runs on the task of the request, which cannot wait for the request's end.
    fn runs_here(&self) -> bool {
        self.shared().task == task::try_id()
    }

    /// The session's token after the commits of this request so far.
    fn so_far(&self) -> CurrentToken {
        let none = "the request has no session yet: commit first, or load the reopened session after the response";
        token_after(&self.shared().cookie, self.presented(), Err(Error::new(ErrorKind::Closed, none)))
    }
}

/// The session's token of a visitor who sent `presented` and gets this `cookie` change in the response.
fn token_after(cookie: &CookieAction, presented: Option<&Token>, none: Result<(), Error>) -> CurrentToken {
    match (cookie, presented) {
        (CookieAction::Set(token, _) | CookieAction::Extend(token, _), _) => Ok(Some(token.clone())),
        (CookieAction::Keep, Some(token)) => Ok(Some(token.clone())),
        (CookieAction::Keep, None) => none.map(|()| None),
        (CookieAction::Remove, _) => Err(Error::new(ErrorKind::Gone, "the request signed its visitor out")),
    }
}

impl Shared {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.end, RequestEnd::Ended(_))
    }
}
