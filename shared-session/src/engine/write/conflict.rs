//! A write that another one overtook: what that means, and when it goes on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    engine::{
        core::Core,
        draft::{gone, stale},
        plan::Edit,
    },
    error::{Error, ErrorKind},
    keyed_semaphore::KeyedPermit,
    record::{Place, Record},
};

/// How long a write that was overtaken waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a write is tried again after another one was faster. Each failure means that another write succeeded. Of
/// those that were overtaken in one process one goes on at a time, so this is a limit for very many processes that
/// write to one session.
pub(super) const ATTEMPTS: u32 = 64;

/// What came of one compare-and-set.
pub(crate) enum Attempt {
    Stored(Arc<Record>),
    /// Another write was faster: go on from its version.
    Overtaken(Arc<Record>),
    /// The reply was lost, and the write has not been applied yet. The error is for the case that it is applied later.
    NotApplied(Error),
}

impl Core {
    /// Waits in line with the writers of this process that were overtaken at `place`. Otherwise those that come first
    /// would go on losing: against the faster, which try again at once, and against each other.
    ///
    /// What is stored after the wait, because what was seen before it is old by then; `None` if nobody was in line.
    pub(super) async fn wait_in_line(
        &self,
        turn: &mut Option<KeyedPermit>,
        place: &Place,
    ) -> Result<Option<Bytes>, Error> {
        let permit = tokio::time::timeout(PATIENCE, self.overtaken_writers.acquire(&place.key, 1))
            .await
            .map_err(|_| too_slow())?;
        let has_waited = permit.has_waited;
        *turn = Some(permit);
        if !has_waited {
            return Ok(None);
        }
        self.store.load(&place.key).await?.map(Some).ok_or_else(gone)
    }

    /// What it means that `current` is stored instead of what this edit was made on.
    pub(super) async fn judge(&self, place: &Place, current: &Bytes, tag: &str, edit: &Edit) -> Result<Attempt, Error> {
        let current = Arc::new(self.decode(&place.key, current, self.now().await?)?);
        if current.is_of(tag) {
            return Ok(Attempt::Stored(current));
        }
        check_owner(&current, edit)?;
        Ok(Attempt::Overtaken(current))
    }

    /// The version of another writer, for an edit that goes on from it.
    pub(super) async fn newer(&self, place: &Place, current: &Bytes, edit: &Edit) -> Result<Arc<Record>, Error> {
        let current = self.decode(&place.key, current, self.now().await?)?;
        check_owner(&current, edit)?;
        Ok(Arc::new(current))
    }
}

/// Whoever replaced the secret or signed in owns the session now: nothing may be written into theirs.
fn check_owner(current: &Record, edit: &Edit) -> Result<(), Error> {
    if current.has_secret_of(&edit.record) && current.user_id() == edit.record.user_id() {
        Ok(())
    } else {
        Err(stale())
    }
}

pub(crate) fn too_slow() -> Error {
    Error::new(ErrorKind::Unavailable, "other requests kept being faster on this session")
}
