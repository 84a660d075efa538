//! The features of the server: assumed until it refuses one, and assumed again for every new connection, which may lead
//! to another server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The ways to write that the server may lack, or that the permissions of the Redis user may forbid.
#[derive(Clone, Default)]
pub(crate) struct Capabilities {
    /// Native compare-and-set, `SET … IFEQ`.
    pub(crate) ifeq: Capability,
    /// The script that writes into a value, with the commands it calls.
    pub(crate) patch: Capability,
}

#[derive(Clone, Default)]
pub(crate) struct Capability {
    refused: Arc<AtomicBool>,
}

impl Capabilities {
    pub(crate) fn connected(&self) {
        for capability in [&self.ifeq, &self.patch] {
            capability.refused.store(false, Ordering::Relaxed);
        }
    }
}

impl Capability {
    pub(crate) fn may_be_used(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}
