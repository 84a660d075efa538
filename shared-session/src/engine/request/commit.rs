//! Closes a request: decides its write, and commits it.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    engine::{
        draft::{Loaded, edits::MissedTake},
        outcome::{CookieAction, Ending, Outcome},
        plan::{Plan, decide},
        request::{
            PendingCommit, RequestState, State, did_not_finish, end::RequestGuard, no_cookie, run_to_end::ToEnd,
        },
    },
    error::{Error, ErrorKind},
};

/// How long a response waits for a commit that its handler began and did not wait for.
const ABANDONED: Duration = Duration::from_secs(10);

/// The decision of [`SessionManager::close`](crate::SessionManager::close).
#[derive(Debug)]
#[must_use]
#[expect(clippy::large_enum_variant, reason = "the caller matches it at once, and most requests are `Done`")]
pub enum Close {
    /// There is nothing to store.
    Done(Outcome),
    /// Call [`SessionManager::commit`](crate::SessionManager::commit) with this before sending the response.
    Commit(Commit),
}

/// A decided write.
#[must_use = "a commit does nothing until it is given to SessionManager::commit"]
pub struct Commit {
    /// If the commit is dropped, its request ends without a response.
    pub(crate) request: RequestGuard,
    pub(crate) work: Work,
    pub(crate) private: bool,
}

pub(crate) enum Work {
    /// Boxed, because it is moved several times.
    Write(Box<Plan>),
    /// A commit that the handler began and did not wait for.
    Begun(PendingCommit),
}

impl RequestState {
    /// Closes the session, loaded or not, and decides the write.
    pub(crate) fn close(self: &Arc<Self>, ending: Ending) -> Close {
        let core = &*self.core;
        let (state, cookie) = self.take_state();
        let done = |outcome: Outcome, without_session: Result<(), Error>| {
            let outcome = self.with_forms(outcome);
            self.end(&outcome.cookie, without_session);
            Close::Done(outcome)
        };
        let draft = match state {
            State::Open(open) => open.draft,
            // No handler asked for the session.
            State::Unloaded | State::Closed => return done(Outcome::default(), ending.without_session()),
            State::Failed(error) => {
                return done(Outcome::failed(error.clone(), cookie, self.carried(), core), Err(error));
            }
            State::Committing(committed) => {
                return Close::Commit(Commit::new(self, Work::Begun(committed), false));
            }
        };
        let carried = self.carried();
        let failed = |error: Error| done(Outcome::failed(error.clone(), cookie.clone(), carried, core), Err(error));
        let private = matches!(&draft.base, Loaded::Record(_, record) if record.head.user.is_some());
        if ending == Ending::Failed || self.read_only {
            return done(Outcome::succeeded(cookie.clone(), private, carried, core), ending.without_session());
        }
        self.shared().forms.note_commit(draft.signs_in());
        match decide(draft, |limits, now| core.touch_is_due(limits, now), MissedTake::Keep) {
            Ok(None) => done(Outcome::succeeded(cookie.clone(), private, carried, core), Ok(())),
            Ok(Some(plan)) if plan.needs_cookie() && self.is_reopened() => failed(no_cookie()),
            Ok(Some(plan)) => Close::Commit(Commit::new(self, Work::Write(Box::new(plan)), private)),
            Err(error) => failed(error),
        }
    }

    fn with_forms(&self, outcome: Outcome) -> Outcome {
        let form = self.form_part(&outcome.cookie);
        outcome.with_form(form)
    }
}

impl Commit {
    pub(crate) fn new(request: &Arc<RequestState>, work: Work, private: bool) -> Self {
        Self { request: RequestGuard::new(Arc::clone(request)), work, private }
    }

    /// Runs the decided write, and ends the request.
    pub(crate) async fn run(self) -> Outcome {
        let Self { request, work, private } = self;
        let inner = request.inner();
        let (cookie, is_signed_in, failure) = match work {
            Work::Write(plan) => {
                let core = Arc::clone(&inner.core);
                let written = ToEnd::new(async move { core.write_observed(plan).await }).await;
                match written.unwrap_or_else(|| Err(did_not_finish())) {
                    Ok(written) => {
                        (written.cookie.clone(), written.is_signed_in(), written.failure.map(|error| *error))
                    }
                    Err(error) => (CookieAction::Keep, false, Some(error)),
                }
            }
            // Its task stores the cookie in the request.
            Work::Begun(committed) => match Box::pin(result_of(committed)).await {
                Ok(is_signed_in) => (CookieAction::Keep, is_signed_in, None),
                Err(error) => (CookieAction::Keep, false, Some(error)),
            },
        };
        let carried = inner.carried();
        let private = private || is_signed_in;
        let cookie = inner.shared().cookie.clone().then(cookie);
        let (outcome, without_session) = match failure {
            None => (Outcome::succeeded(cookie, private, carried, &inner.core), Ok(())),
            Some(error) => (Outcome::failed(error.clone(), cookie, carried, &inner.core), Err(error)),
        };
        let outcome = inner.with_forms(outcome);
        inner.end(&outcome.cookie, without_session);
        outcome
    }
}

/// The result of a commit that a handler began and did not wait for.
async fn result_of(mut committed: PendingCommit) -> Result<bool, Error> {
    match tokio::time::timeout(ABANDONED, finished(&mut committed)).await {
        Ok(result) => result,
        Err(_) => {
            let message = "a commit was abandoned before its result was known";
            Err(Error::new(ErrorKind::Unavailable, message).undecided())
        }
    }
}

/// Waits for the end of a commit; returns whether a user is signed in.
pub(crate) async fn finished(committed: &mut PendingCommit) -> Result<bool, Error> {
    match committed.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(result)) => result.clone(),
        Ok(None) | Err(_) => Err(did_not_finish()),
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").finish_non_exhaustive()
    }
}
