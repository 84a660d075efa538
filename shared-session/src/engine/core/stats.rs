//! Counters of the engine's work.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    error::ErrorKind,
    metrics::{self, Metric},
};

/// Counts since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions read from the store.
    pub loads: u64,
    /// Sessions found in the near cache, without a call to the store.
    pub near_hits: u64,
    /// Sessions that were not found in the near cache; zero without one.
    pub near_misses: u64,
    /// Users found in the [user cache](crate::SessionManager::with_users), without a query.
    pub user_cache_hits: u64,
    /// Users who were not found in the user cache, or whose row there did not confirm the session; zero without one.
    pub user_cache_misses: u64,
    /// Cookies that named no valid session.
    pub misses: u64,
    /// Requests with several different session cookies. They are treated as anonymous.
    pub conflicting_cookies: u64,
    /// Writes that were stored.
    pub commits: u64,
    /// Conflicts: another request was faster, and the edits were merged with its result.
    pub merged: u64,
    /// Requests refused with 409: their cookie was replaced, their session ended, or a value was taken, while they ran.
    pub refused: u64,
    /// The refused requests whose cookie was replaced.
    pub stale: u64,
    /// The refused requests whose session ended.
    pub gone: u64,
    /// Requests answered with 503.
    pub unavailable: u64,
    /// Records that could not be decoded.
    pub unreadable: u64,
    /// Last uses that were stored.
    pub touches: u64,
    /// Ended sessions that another program restored and this process deleted again.
    pub ended_again: u64,
    /// Sessions treated as anonymous only because their auth hash does not match: it was made under another secret key,
    /// or before a change of the password that this process has not seen.
    pub other_hashes: u64,
}

/// A count, which is also a metric.
pub(crate) struct Counter {
    count: AtomicU64,
    metric: &'static Metric,
}

impl Counter {
    const fn of(metric: &'static Metric) -> Self {
        Self { count: AtomicU64::new(0), metric }
    }

    pub(crate) fn add_one(&self) {
        self.count.fetch_add(1, Relaxed);
        self.metric.add_one();
    }

    fn read(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

pub(crate) struct Counters {
    pub(crate) loads: Counter,
    pub(crate) near_hits: Counter,
    pub(crate) near_misses: Counter,
    #[cfg_attr(not(feature = "users"), allow(dead_code, reason = "there are no users"))]
    pub(crate) user_cache_hits: Counter,
    #[cfg_attr(not(feature = "users"), allow(dead_code, reason = "there are no users"))]
    pub(crate) user_cache_misses: Counter,
    pub(crate) misses: Counter,
    pub(crate) conflicting_cookies: Counter,
    pub(crate) commits: Counter,
    pub(crate) merged: Counter,
    pub(crate) stale: Counter,
    pub(crate) gone: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) touches: Counter,
    pub(crate) ended_again: Counter,
    pub(crate) other_hashes: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            loads: Counter::of(&metrics::LOADS),
            near_hits: Counter::of(&metrics::NEAR_HITS),
            near_misses: Counter::of(&metrics::NEAR_MISSES),
            user_cache_hits: Counter::of(&metrics::USER_CACHE_HITS),
            user_cache_misses: Counter::of(&metrics::USER_CACHE_MISSES),
            misses: Counter::of(&metrics::MISSES),
            conflicting_cookies: Counter::of(&metrics::CONFLICTING_COOKIES),
            commits: Counter::of(&metrics::COMMITS),
            merged: Counter::of(&metrics::MERGED),
            stale: Counter::of(&metrics::REFUSED_STALE),
            gone: Counter::of(&metrics::REFUSED_GONE),
            conflicts: Counter::of(&metrics::REFUSED_CONFLICT),
            unavailable: Counter::of(&metrics::UNAVAILABLE),
            unreadable: Counter::of(&metrics::UNREADABLE),
            touches: Counter::of(&metrics::TOUCHES),
            ended_again: Counter::of(&metrics::ENDED_AGAIN),
            other_hashes: Counter::of(&metrics::OTHER_HASHES),
        }
    }
}

impl Counters {
    pub(crate) fn count_failure(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Stale => self.stale.add_one(),
            ErrorKind::Gone => self.gone.add_one(),
            ErrorKind::AlreadyTaken => self.conflicts.add_one(),
            ErrorKind::Unavailable => self.unavailable.add_one(),
            _ => {}
        }
    }

    pub(crate) fn read(&self) -> Stats {
        let (stale, gone) = (self.stale.read(), self.gone.read());
        Stats {
            loads: self.loads.read(),
            near_hits: self.near_hits.read(),
            near_misses: self.near_misses.read(),
            user_cache_hits: self.user_cache_hits.read(),
            user_cache_misses: self.user_cache_misses.read(),
            misses: self.misses.read(),
            conflicting_cookies: self.conflicting_cookies.read(),
            commits: self.commits.read(),
            merged: self.merged.read(),
            refused: stale + gone + self.conflicts.read(),
            stale,
            gone,
            unavailable: self.unavailable.read(),
            unreadable: self.unreadable.read(),
            touches: self.touches.read(),
            ended_again: self.ended_again.read(),
            other_hashes: self.other_hashes.read(),
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_the_kind_of_error() {
        let counters = Counters::default();
        let kinds = [
            (ErrorKind::Stale, 1),
            (ErrorKind::Gone, 2),
            (ErrorKind::AlreadyTaken, 4),
            (ErrorKind::Unavailable, 8),
            (ErrorKind::TooLarge, 16),
        ];
        for (kind, times) in kinds {
            (0..times).for_each(|_| counters.count_failure(kind));
        }
        let expected = Stats { refused: 7, stale: 1, gone: 2, unavailable: 8, ..Stats::default() };
        assert_eq!(counters.read(), expected);
    }
}
