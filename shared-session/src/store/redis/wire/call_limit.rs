//! How many calls run at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of calls that run now, and its limit.
pub(crate) struct CallLimit {
    now: AtomicUsize,
    most: usize,
}

/// Counts as one call until it is dropped.
pub(crate) struct Call<'a>(&'a CallLimit);

impl CallLimit {
    /// Up to so many calls are sent at once, each for itself: to wait for others would cost more than it saves.
    pub(crate) const FEW: usize = 4;

    pub(crate) fn new(most: usize) -> Self {
        Self { now: AtomicUsize::new(0), most }
    }

    /// `None` at the limit.
    pub(crate) fn begin(&self) -> Option<Call<'_>> {
        let call = Call(self);
        (self.now.fetch_add(1, Ordering::Relaxed) < self.most).then_some(call)
    }

    /// Whether so many run that their commands are worth waiting for.
    pub(crate) fn are_many(&self) -> bool {
        self.now.load(Ordering::Relaxed) > Self::FEW
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}
