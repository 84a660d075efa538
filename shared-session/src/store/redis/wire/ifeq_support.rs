//! Whether a server has native compare-and-set.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the server may have `SET … IFEQ`: assumed until it refuses, and again with every new connection, which may
/// lead to another server.
#[derive(Clone, Default)]
pub(crate) struct IfeqSupport {
    refused: Arc<AtomicBool>,
}

impl IfeqSupport {
    pub(crate) fn may_be_offered(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self) {
        self.refused.store(false, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        tracing::debug!("this server has no native compare-and-set: using Lua");
        self.refused.store(true, Ordering::Relaxed);
    }
}
