//! A write that another one overtook: its outcome, and when it continues.

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

/// How long an overtaken write waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of attempts of a write while others are faster. Each failure means that another write succeeded. In one
/// process only one overtaken write continues at a time, so only very many processes that write to one session reach
/// this limit.
pub(super) const ATTEMPTS: u32 = 64;

/// The outcome of one compare-and-set.
pub(crate) enum Attempt {
    Stored(Arc<Record>),
    /// Another write was faster: continue from its version.
    Overtaken(Arc<Record>),
    /// The reply was lost, and the write has not been applied yet. Holds the error to return if it may have been
    /// applied later.
    NotApplied(Error),
}

impl Core {
    /// Queues with the other overtaken writers of `place` in this process. Without the queue, early writers would keep
    /// losing against faster ones, which retry at once, and against each other.
    ///
    /// Returns the version stored after the wait, because the one seen before is outdated by then; `None` if the queue
    /// was empty.
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

    /// The outcome if `current` is stored instead of the version on which this edit was made.
    pub(super) async fn judge(&self, place: &Place, current: &Bytes, tag: &str, edit: &Edit) -> Result<Attempt, Error> {
        let current = Arc::new(self.decode(&place.key, current, self.now().await?)?);
        if current.is_of(tag) {
            return Ok(Attempt::Stored(current));
        }
        check_owner(&current, edit)?;
        Ok(Attempt::Overtaken(current))
    }

    /// Decodes the version of another writer, from which the edit continues.
    pub(super) async fn newer(&self, place: &Place, current: &Bytes, edit: &Edit) -> Result<Arc<Record>, Error> {
        let current = self.decode(&place.key, current, self.now().await?)?;
        check_owner(&current, edit)?;
        Ok(Arc::new(current))
    }
}

/// If the secret was replaced or another user signed in, the session now belongs to that client, so this edit must not
/// be written into it.
fn check_owner(current: &Record, edit: &Edit) -> Result<(), Error> {
    if current.has_secret_of(&edit.record) && current.user_id() == edit.record.user_id() {
        Ok(())
    } else {
        Err(stale())
    }
}

pub(crate) fn too_slow() -> Error {
    Error::new(ErrorKind::Unavailable, "too many concurrent writes to this session")
}
