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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_that_is_not_available_refuses_writes() {
        let last = LastWrite::default();
        last.note(Some(&ErrorKind::TooLarge.into()));
        assert!(!last.is_refused());
        last.note(Some(&ErrorKind::Unavailable.into()));
        assert!(last.is_refused());
        last.note(Some(&ErrorKind::Stale.into()));
        assert!(last.is_refused(), "a stale session does not concern the store");
        last.note(None);
        assert!(!last.is_refused());
    }
}
