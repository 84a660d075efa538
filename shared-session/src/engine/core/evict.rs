//! Drops from the near cache the sessions that a write may have changed.

use std::sync::Arc;

use crate::{
    engine::{core::Core, near::Near},
    record::id::Handle,
};

impl Core {
    /// Returns a guard that evicts these sessions when it is dropped: after a write, whatever its outcome.
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
