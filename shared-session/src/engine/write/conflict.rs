//! A write that another one overtook: what that means, and when it goes on.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    engine::{
        core::Core,
        draft::{Edit, gone, stale},
    },
    error::{Error, ErrorKind},
    keyed_semaphore::KeyedPermit,
    record::{Place, Record},
};

/// How long a write that was overtaken waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of one compare-and-set.
pub(crate) enum Attempt {
    Stored(Arc<Record>),
    /// Another write was faster: go on from its version.
    Overtaken(Arc<Record>),
    /// The reply was lost, and the write has not been applied yet. The error is for the case that it is applied later.
    NotApplied(Error),
}

impl Core {
    /// Waits for its turn among the writers of this process that were overtaken at `place`. Otherwise those that come
    /// first would go on losing: against the faster, which try again at once, and against each other.
    pub(crate) async fn in_turn(
        &self,
        turn: &mut Option<KeyedPermit>,
        newer: Arc<Record>,
        place: &Place,
        tag: &str,
        edit: &Edit,
    ) -> Result<Attempt, Error> {
        let taken = tokio::time::timeout(PATIENCE, self.overtaken_writers.acquire(&place.key, 1))
            .await
            .map_err(|_| too_slow())?;
        let has_waited = taken.has_waited;
        *turn = Some(taken);
        if !has_waited {
            return Ok(Attempt::Overtaken(newer));
        }
        // What was seen before the wait is old after it: comparing with it would lose once more.
        let Some(current) = self.store.load(&place.key).await? else { return Err(gone()) };
        self.judge(place, &current, tag, edit).await
    }

    /// What it means that `current` is stored instead of what this edit was made on.
    pub(crate) async fn judge(&self, place: &Place, current: &Bytes, tag: &str, edit: &Edit) -> Result<Attempt, Error> {
        let current = Arc::new(self.decode(&place.key, current, self.now().await?)?);
        if current.is_of(tag) {
            return Ok(Attempt::Stored(current));
        }
        // Whoever replaced the secret or signed in owns the session now: nothing may be written into theirs.
        if !current.has_secret_of(&edit.record) || current.user_id() != edit.record.user_id() {
            return Err(stale());
        }
        Ok(Attempt::Overtaken(current))
    }
}

pub(crate) fn too_slow() -> Error {
    Error::new(ErrorKind::Unavailable, "other requests kept being faster on this session")
}
