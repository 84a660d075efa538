//! `commit().await`, within a request.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    engine::{
        draft::{Draft, Loaded, edits::MissedTake, gone, stale},
        outcome::CookieAction,
        plan::decide,
        request::{PendingCommit, RequestState, State, commit::finished, no_cookie, read_only},
        session::{Session, open},
        write::written::Written,
    },
    error::{Error, ErrorKind},
};

impl Session {
    /// Commits the edits now, whatever the outcome of the request, and reloads the merged result. The new cookie, if
    /// there is one, is sent with any response, even if this future is dropped before it is ready. One or more round
    /// trips; runs to its end even if the request is dropped. Does nothing without edits.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] or [`ErrorKind::Gone`] if the session was taken over or ended, [`ErrorKind::Unavailable`]
    /// if the store fails: the request is then answered with that error whatever its handler returns.
    /// [`ErrorKind::AlreadyTaken`] if a taken value is no longer stored: nothing is written, and the session, reloaded
    /// without the edits, remains usable. [`ErrorKind::ReadOnly`] on HEAD and OPTIONS, if there are edits: they commit
    /// nothing; see [`is_read_only`](Self::is_read_only). [`ErrorKind::Closed`] in a
    /// [reopened](crate::LazySession::reopen) session, if it would need a new cookie. The last two write nothing.
    pub async fn commit(&self) -> Result<(), Error> {
        let Some(mut committed) = self.begin()? else { return Ok(()) };
        let result = finished(&mut committed).await;
        if let Err(error) = &result {
            let mut shared = self.0.shared();
            if matches!(shared.state, State::Committing(_)) {
                shared.state = State::Failed(error.clone());
            }
        }
        result.map(drop)
    }

    /// Whether this is a HEAD or OPTIONS request, which never stores anything: this request sees its edits, and they
    /// are then dropped, and [`take`](Self::take) and [`commit`](Self::commit) are errors. No I/O.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.read_only
    }

    /// An error if this session cannot be given a new cookie.
    #[cfg(feature = "users")]
    pub(crate) fn check_cookie(&self) -> Result<(), Error> {
        match () {
            () if self.0.read_only => Err(read_only()),
            () if self.0.is_reopened() => Err(no_cookie()),
            () => Ok(()),
        }
    }

    #[cfg(feature = "users")]
    pub(crate) fn has_edited_entries(&self) -> Result<bool, Error> {
        self.0.with(|open| Ok(!open.draft.delta.is_empty()))
    }

    /// Starts the commit; `None` if there is nothing to do.
    fn begin(&self) -> Result<Option<PendingCommit>, Error> {
        let inner = &self.0;
        let mut shared = inner.shared();
        let draft = &open(&mut shared.state)?.draft;
        if inner.read_only {
            return if draft.is_edited() { Err(read_only()) } else { Ok(None) };
        }
        let touch_is_due = |limits: &_, now| inner.core.touch_is_due(limits, now);
        let plan = match decide(draft.clone(), touch_is_due, MissedTake::Fail) {
            Ok(None) => return Ok(None),
            Ok(Some(plan)) if plan.needs_cookie() && inner.is_reopened() => return Err(no_cookie()),
            Ok(Some(plan)) => plan,
            Err(error) => {
                shared.state = State::Failed(error.clone());
                return Err(error);
            }
        };
        let base = Draft::new(draft.base.clone(), draft.loaded_at, draft.client.clone());
        let signs_in = draft.signs_in();
        shared.forms.note_commit(signs_in);
        let (report, committed) = watch::channel(None);
        shared.state = State::Committing(committed.clone());
        drop(shared);
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            let written = inner.core.write_observed(Box::new(plan)).await;
            report.send_replace(Some(inner.settle(base, written).await));
        });
        Ok(Some(committed))
    }
}

impl RequestState {
    /// Stores the result of a commit: its cookie, and the next state of the request.
    async fn settle(&self, before: Draft, written: Result<Written, Error>) -> Result<bool, Error> {
        let open = |base| State::open_with(Draft::new(base, before.loaded_at, before.client));
        let (state, cookie, result) = match written {
            Ok(Written { cookie, failure: Some(error), .. }) => (State::Failed((*error).clone()), cookie, Err(*error)),
            Ok(written) => {
                let is_signed_in = written.is_signed_in();
                (open(written.loaded()), written.cookie, Ok(is_signed_in))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyTaken => match self.core.reload(&before.base).await {
                // The session ended, or was taken over, after the commit had seen it.
                Ok(Loaded::Nothing { refused }) if matches!(before.base, Loaded::Record(..)) => {
                    let error = if refused { stale() } else { gone() };
                    (State::Failed(error.clone()), CookieAction::Keep, Err(error))
                }
                Ok(Loaded::Rotated(..)) => (State::Failed(stale()), CookieAction::Keep, Err(stale())),
                Ok(base) => (open(base), CookieAction::Keep, Err(error)),
                Err(unknown) => (State::Failed(unknown.clone()), CookieAction::Keep, Err(unknown)),
            },
            Err(error) => (State::Failed(error.clone()), CookieAction::Keep, Err(error)),
        };
        let mut shared = self.shared();
        let earlier = std::mem::replace(&mut shared.cookie, CookieAction::Keep);
        shared.cookie = earlier.then(cookie);
        // Meanwhile the response may have been decided.
        if matches!(shared.state, State::Committing(_)) {
            shared.state = if shared.has_ended() { State::Closed } else { state };
        }
        result
    }
}
