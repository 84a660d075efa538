//! Drops from the near cache the sessions that a write may have changed.

use std::sync::Arc;

use crate::{
    engine::{
        core::Core,
        draft::SessionEnd,
        near::Near,
        plan::{Plan, Write},
    },
    record::id::Handle,
};

impl Core {
    /// Drops what is kept of these sessions when it is dropped itself: after a write, whatever became of it.
    pub(crate) fn evict_after(&self, handles: [Option<Handle>; 2]) -> Eviction {
        Eviction { near: self.near.clone(), handles }
    }
}

#[must_use]
pub(crate) struct Eviction {
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
pub(crate) fn written_by(plan: &Plan) -> [Option<Handle>; 2] {
    let ended = match &plan.end {
        Some(SessionEnd::Record(token, _) | SessionEnd::Unreadable(token, _)) => Some(token.handle),
        // Several, and read past the near cache: each is dropped when it is ended.
        Some(SessionEnd::Cookies(_)) | None => None,
    };
    let written = match &plan.write {
        Some(Write::Touch { token, .. }) => Some(token.handle),
        Some(Write::Edit(edit)) => Some(edit.token.handle),
        // Nobody knows its handle yet.
        Some(Write::Create(_)) | None => None,
    };
    [ended, written]
}
