//! What a request decided to store.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    engine::{
        outcome::{CookieAction, Outcome},
        plan::Plan,
        request::{Committed, RequestGuard, RequestState, did_not_finish, run_to_end::ToEnd},
    },
    error::{Error, ErrorKind},
};

/// How long an answer waits for a commit that its handler began and did not wait for.
const ABANDONED: Duration = Duration::from_secs(2);

/// What [`SessionManager::close`](crate::SessionManager::close) decided.
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and most requests are done")]
pub enum Close {
    /// Nothing is to be stored.
    Done(Outcome),
    /// This is to be stored by [`SessionManager::commit`](crate::SessionManager::commit) before the response is sent.
    Commit(Commit),
}

/// A decided write.
#[must_use = "a commit does nothing until it is given to SessionManager::commit"]
pub struct Commit {
    /// If the commit is dropped, its request ends without an answer.
    pub(crate) request: RequestGuard,
    pub(crate) work: Work,
    pub(crate) private: bool,
}

pub(crate) enum Work {
    /// Boxed, because it is handed on several times.
    Write(Box<Plan>),
    /// What the handler began and did not wait for.
    Begun(Committed),
}

impl Commit {
    pub(crate) fn new(request: &Arc<RequestState>, work: Work, private: bool) -> Self {
        Self { request: RequestGuard::new(Arc::clone(request)), work, private }
    }

    /// Stores what was decided, and ends the request.
    pub(crate) async fn run(self) -> Outcome {
        let Self { request, work, private } = self;
        let inner = request.inner();
        let result = match work {
            Work::Write(plan) => {
                let core = Arc::clone(&inner.core);
                let written = ToEnd::new(async move { core.write_observed(plan).await }).await;
                written.unwrap_or_else(|| Err(did_not_finish())).map(|written| {
                    let is_signed_in = written.is_signed_in();
                    (written.cookie, is_signed_in)
                })
            }
            Work::Begun(committed) => Box::pin(begun(committed)).await,
        };
        let earlier = inner.shared().cookie.clone();
        let carried = inner.carried();
        let (outcome, none) = match result {
            Ok((cookie, is_signed_in)) => {
                (Outcome::read(earlier.then(cookie), private || is_signed_in, carried, &inner.core), Ok(()))
            }
            Err(error) => (Outcome::failed(error.clone(), earlier, carried, &inner.core), Err(error)),
        };
        let outcome = with_forms(inner, outcome);
        inner.end(&outcome.cookie, none);
        outcome
    }
}

/// The result of a commit that a handler began. Its task leaves the cookie in the request.
async fn begun(mut committed: Committed) -> Result<(CookieAction, bool), Error> {
    match tokio::time::timeout(ABANDONED, committed.wait_for(Option::is_some)).await {
        Ok(Ok(result)) => result.clone().unwrap_or(Ok(false)).map(|is_signed_in| (CookieAction::Keep, is_signed_in)),
        Ok(Err(_)) => Err(did_not_finish()),
        Err(_) => {
            let message = "a commit was abandoned before its result was known";
            Err(Error::new(ErrorKind::Unavailable, message))
        }
    }
}

pub(crate) fn with_forms(request: &RequestState, outcome: Outcome) -> Outcome {
    let form = request.form_part(&outcome.cookie);
    outcome.with_form(form)
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").finish_non_exhaustive()
    }
}
