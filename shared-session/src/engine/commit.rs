//! What a request decided to store.

use std::{fmt, sync::Arc};

use super::{
    draft::Plan,
    outcome::Outcome,
    request::{Committed, Inner, RequestGuard},
};

/// What [`SessionManager::close`](crate::SessionManager::close) decided.
#[derive(Debug)]
#[must_use]
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
    pub(super) request: RequestGuard,
    pub(super) work: Work,
    pub(super) private: bool,
}

#[expect(clippy::large_enum_variant, reason = "it is made once a request and taken apart at once")]
pub(super) enum Work {
    Write(Plan),
    /// What the handler began and did not wait for.
    Begun(Committed),
}

impl Commit {
    pub(super) fn new(request: &Arc<Inner>, work: Work, private: bool) -> Self {
        Self { request: RequestGuard::new(Arc::clone(request)), work, private }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").finish_non_exhaustive()
    }
}
