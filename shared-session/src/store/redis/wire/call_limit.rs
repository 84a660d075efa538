//! The number of concurrent calls.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The current number of calls, and its limit.
pub(crate) struct CallLimit {
    now: AtomicUsize,
    most: usize,
}

/// Counts as one call until it is dropped.
pub(crate) struct Call<'a>(&'a CallLimit);

impl CallLimit {
    /// Up to this number of calls, each is sent at once and separately: waiting for others would cost more than it
    /// saves.
    pub(crate) const FEW: usize = 4;

    pub(crate) fn new(most: usize) -> Self {
        Self { now: AtomicUsize::new(0), most }
    }

    /// `None` at the limit.
    pub(crate) fn begin(&self) -> Option<Call<'_>> {
        let call = Call(self);
        (self.now.fetch_add(1, Ordering::Relaxed) < self.most).then_some(call)
    }

    /// Whether so many calls run that it is worth waiting for their commands.
    pub(crate) fn are_many(&self) -> bool {
        self.now.load(Ordering::Relaxed) > Self::FEW
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}
