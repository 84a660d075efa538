//! What the server may be asked for: assumed until it refuses, and again with every new connection, which may lead to
//! another server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The ways to write that a server, or the permissions of its user, may lack.
#[derive(Clone, Default)]
pub(crate) struct Offered {
    /// Native compare-and-set, `SET … IFEQ`.
    pub(crate) native: Offer,
    /// The script that writes into a value, with the commands it calls.
    pub(crate) patch: Offer,
}

#[derive(Clone, Default)]
pub(crate) struct Offer {
    refused: Arc<AtomicBool>,
}

impl Offered {
    pub(crate) fn connected(&self) {
        for offer in [&self.native, &self.patch] {
            offer.refused.store(false, Ordering::Relaxed);
        }
    }
}

impl Offer {
    pub(crate) fn may_be_made(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}
