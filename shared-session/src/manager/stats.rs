//! Counters of what the engine did.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::ErrorKind;

/// Counts since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions read from the store.
    pub loads: u64,
    /// Sessions found in the near cache, for which the store was not asked.
    pub near_hits: u64,
    /// Sessions asked for that were not in the near cache; zero without one.
    pub near_misses: u64,
    /// Cookies that named no valid session.
    pub misses: u64,
    /// Writes that were stored.
    pub commits: u64,
    /// Times another request was faster and its result was merged.
    pub merged: u64,
    /// Requests refused with 409: their cookie was replaced, or their session ended, while they ran.
    pub refused: u64,
    /// Requests answered with 503.
    pub unavailable: u64,
    /// Records that could not be decoded.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) loads: AtomicU64,
    pub(crate) near_hits: AtomicU64,
    pub(crate) near_misses: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) merged: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) unreadable: AtomicU64,
}

pub(crate) fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn count_failure(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Stale | ErrorKind::Gone | ErrorKind::Conflict => add_one(&self.refused),
            ErrorKind::Unavailable => add_one(&self.unavailable),
            _ => {}
        }
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            loads: self.loads.load(Relaxed),
            near_hits: self.near_hits.load(Relaxed),
            near_misses: self.near_misses.load(Relaxed),
            misses: self.misses.load(Relaxed),
            commits: self.commits.load(Relaxed),
            merged: self.merged.load(Relaxed),
            refused: self.refused.load(Relaxed),
            unavailable: self.unavailable.load(Relaxed),
            unreadable: self.unreadable.load(Relaxed),
        }
    }
}
