//! Moves a session to a new key, for Django's profiles, in which the key is the secret.

use std::sync::Arc;

use crate::{
    engine::{
        core::Core,
        draft::gone,
        end_session::tombstone::Tombstone,
        plan::Edit,
        write::{
            merge::{ATTEMPTS, too_slow},
            written::Written,
        },
    },
    error::Error,
    record::{Content, Stamp},
    store::Deleted,
};

impl Core {
    /// Applies an edit and moves the session to a new key. It creates the new record first, then deletes the old one,
    /// but only in the version that was seen. Until then both keys open the session, as with Django.
    pub(super) async fn move_to_new_key(&self, edit: &Edit) -> Result<Written, Error> {
        let old = self.profile.place(&edit.token);
        let mut base = Arc::clone(&edit.record);
        let mut turn = None;
        for attempt in 0..ATTEMPTS {
            let now = self.now().await?;
            let head = self.next_head(&base, edit, now);
            let changes = edit.pending.delta.resolve(&base.entries, edit.pending.missed)?;
            let content = Content { head, entries: base.entries.with(&changes) };
            let token = self.profile.new_token()?;
            let new = self.profile.place(&token);
            let record = self.profile.next(&new.key, &base, None, &self.stamp(Stamp::UNTAGGED, now), content)?;
            let record = Arc::new(record);
            self.check_size(&record, base.bytes().len())?;
            let Some(ttl) = record.head.limits.left(now) else { return Err(gone()) };
            if !self.create_indexed(&new, &record, ttl).await? {
                continue;
            }
            let moved = |failure| {
                self.stats.commits.add_one();
                tracing::Span::current().record("attempts", attempt + 1);
                let max_age = self.max_age(&record, now);
                Written { failure, ..Written::under_new_cookie(token, Arc::clone(&record), max_age) }
            };
            let current = match self.delete_seen(&old.key, Some(&base.version())).await {
                Ok(Deleted::Done) if self.bury(&old, Tombstone::Moved(now), base.head.limits.idle).await => {
                    self.unindex(&base, &old).await;
                    return Ok(moved(None));
                }
                // The old record may be gone, so the browser needs the new cookie. If the old record is still there,
                // this library refuses it under the tombstone, but Django does not.
                Err(error)
                    if error.is_undecided() && self.bury(&old, Tombstone::Moved(now), base.head.limits.idle).await =>
                {
                    return Ok(moved(Some(Box::new(error))));
                }
                // Under a tombstone the session had ended before, and another program had brought it back.
                Ok(Deleted::Done | Deleted::Gone) => Err(gone()),
                Ok(Deleted::Conflict(current)) => Ok(current),
                Err(error) => Err(error),
            };
            // The session changed or ended meanwhile, or the result is unknown. No cookie opens the new record, so
            // delete it.
            let _ = self.store.delete(&new.key, None).await;
            self.unindex(&record, &new).await;
            base = self.newer(&old, &current?, edit).await?;
            if turn.is_none()
                && let Some(current) = self.wait_in_line(&mut turn, &old).await?
            {
                base = self.newer(&old, &current, edit).await?;
            }
            self.stats.merged.add_one();
        }
        Err(too_slow())
    }
}
