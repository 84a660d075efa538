//! The outcome of the last write.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::error::{Error, ErrorKind};

/// Whether the store took the last write.
#[derive(Debug, Default)]
pub(crate) struct LastWrite {
    is_refused: AtomicBool,
}

impl LastWrite {
    /// `failed` is the error of a failed write.
    pub(crate) fn note(&self, failed: Option<&Error>) {
        match failed {
            None => self.is_refused.store(false, Relaxed),
            // Other errors concern one session only.
            Some(error) if error.kind() == ErrorKind::Unavailable => self.is_refused.store(true, Relaxed),
            Some(_) => {}
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Relaxed)
    }
}
