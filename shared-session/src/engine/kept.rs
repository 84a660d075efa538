//! What the engine does with a near cache.

use std::sync::Arc;

use super::core::Core;
use crate::{
    engine::{
        draft::{End, Loaded, Plan, Write},
        near::Near,
    },
    error::Error,
    record::id::{Handle, Token},
    store::StoreTime,
};

impl Core {
    /// A session that is kept here and that `token` opens. No round trip.
    pub(super) async fn kept(&self, token: &Token) -> Result<Option<(Loaded, StoreTime)>, Error> {
        let Some(near) = &self.near else { return Ok(None) };
        // Another service may have replaced the secret or put off the end a moment ago: then the store knows better.
        let Some(record) = near.get(token) else { return Ok(None) };
        let now = self.now().await?;
        // Redis announces no expiry until somebody comes upon the key.
        if record.head.limits.left(now).is_none() {
            return Ok(None);
        }
        self.stats.near_hits.add_one();
        Ok(Some((Loaded::Record(token.clone(), record), now)))
    }

    /// Drops what is kept of these sessions when it is dropped itself: after a write, whatever became of it.
    pub(super) fn evict_after(&self, handles: [Option<Handle>; 2]) -> Eviction {
        Eviction { near: self.near.clone(), handles }
    }
}

#[must_use]
pub(super) struct Eviction {
    near: Option<Arc<Near>>,
    handles: [Option<Handle>; 2],
}

impl Drop for Eviction {
    fn drop(&mut self) {
        if let Some(near) = &self.near {
            self.handles.iter().flatten().for_each(|handle| near.evict(handle));
        }
    }
}

/// The sessions that `plan` may change.
pub(super) fn written_by(plan: &Plan) -> [Option<Handle>; 2] {
    let ended = match &plan.end {
        Some(End::Record(token, _) | End::Unreadable(token, _)) => Some(token.handle),
        // Several, and read past the near cache: each is dropped when it is ended.
        Some(End::Cookies(_)) | None => None,
    };
    let written = match &plan.write {
        Some(Write::Touch { token, .. }) => Some(token.handle),
        Some(Write::Edit(edit)) => Some(edit.token.handle),
        // Nobody knows its handle yet.
        Some(Write::Create(_)) | None => None,
    };
    [ended, written]
}
