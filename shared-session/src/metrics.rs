//! Counters, gauges and histograms through the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! Install a recorder, such as that of Prometheus, to receive them. They cost a few nanoseconds without a recorder, and
//! nothing without the feature. No label contains an id, a key, a name or an address, so the number of time series is
//! fixed.
//!
//! | name | kind | what |
//! |---|---|---|
//! | `shared_session_loads_total` | counter | sessions read from the store |
//! | `shared_session_misses_total` | counter | cookies without a valid session |
//! | `shared_session_near_hits_total`, `shared_session_near_misses_total` | counter | loads that the near cache answered, and loads that it could not answer |
//! | `shared_session_user_cache_hits_total`, `shared_session_user_cache_misses_total` | counter | users found in the user cache, and users for whom the table was queried |
//! | `shared_session_unreadable_total` | counter | records that could not be decoded |
//! | `shared_session_conflicting_cookies_total` | counter | requests with several different session cookies |
//! | `shared_session_commits_total` | counter | writes that were stored |
//! | `shared_session_merged_total` | counter | commits that merged the result of a faster request |
//! | `shared_session_refused_total{reason}` | counter | requests refused with 409: `stale`, the cookie was replaced meanwhile; `gone`, the session ended meanwhile; `conflict`, another request took an entry first |
//! | `shared_session_unavailable_total` | counter | requests answered with 503 |
//! | `shared_session_touches_total` | counter | writes that only extend a session |
//! | `shared_session_ended_again_total` | counter | ended sessions that another program had stored again, and that were deleted again |
//! | `shared_session_other_hashes_total` | counter | sessions that were anonymous only because of their auth hash: made under another secret key, or before a change of the password that this process has not seen |
//! | `shared_session_load_seconds{outcome}` | histogram | time to read a session from the store; `ok` or `error` |
//! | `shared_session_commit_seconds{outcome}` | histogram | time to store a request's edits, with all attempts; `ok`, `refused` (409, 413) or `error` |
//! | `shared_session_redis_connects_total{outcome}` | counter | attempts to connect to Redis: `ok`, `error` |
//! | `shared_session_redis_connections` | gauge | open connections to Redis; 0 while calls fail at once |
//! | `shared_session_redis_calls` | gauge | calls waiting for Redis |
//! | `shared_session_redis_timeouts_total` | counter | calls that Redis did not answer in time |
//!
//! The counts are per process; [`SessionManager::stats`](crate::SessionManager::stats) has most of them without a
//! recorder.
//!
//! ```
//! # #[cfg(feature = "metrics")] {
//! // Call it after installing the recorder, so that all series exist, at zero, before any event.
//! shared_session::metrics::describe();
//! # }
//! ```
// docs/operations.md has the same table; a test compares both with the exported metrics.

#[cfg(feature = "metrics")]
mod facade;
#[cfg(not(feature = "metrics"))]
#[path = "metrics/none.rs"]
mod facade;

use facade::{Clock, Label, Series, label};

/// Describes each metric to the installed recorder, and makes all of them appear, at zero. Call it once after
/// installing the recorder; without one it does nothing.
#[cfg(feature = "metrics")]
pub fn describe() {
    facade::describe(ALL.iter().map(|metric| &metric.0));
}

/// One time series.
pub(crate) struct Metric(Series);

impl Metric {
    /// For counters.
    pub(crate) fn add_one(&self) {
        self.0.add_one();
    }

    /// For gauges: counts until the guard is dropped.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis has gauges"))]
    pub(crate) fn enter(&'static self) -> Entered {
        self.0.enter();
        Entered(self)
    }
}

/// Counted by a gauge until it is dropped.
#[must_use]
pub(crate) struct Entered(&'static Metric);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.leave();
    }
}

/// Measures a duration.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Clock);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Clock::now())
    }

    pub(crate) fn stop(self, histogram: &Metric) {
        histogram.0.record(self.0);
    }
}

macro_rules! series {
    ($($series:ident = $kind:ident $name:literal $({$key:literal = $value:literal})?, $help:literal;)+) => {
        $(
            #[allow(dead_code, reason = "not every store is compiled in")]
            pub(crate) static $series: Metric = {
                static LABELS: &[Label] = &[$(label($key, $value))?];
                Metric(Series::$kind($name, LABELS, $help))
            };
        )+

        #[cfg(feature = "metrics")]
        static ALL: &[&Metric] = &[$(&$series),+];
    };
}

series! {
    LOADS = counter "shared_session_loads_total", "Sessions read from the store.";
    MISSES = counter "shared_session_misses_total", "Cookies that named no valid session.";
    NEAR_HITS = counter "shared_session_near_hits_total", "Sessions found in the near cache.";
    NEAR_MISSES = counter "shared_session_near_misses_total", "Sessions not found in the near cache.";
    USER_CACHE_HITS = counter "shared_session_user_cache_hits_total", "Users found in the user cache.";
    USER_CACHE_MISSES = counter "shared_session_user_cache_misses_total", "Users not found in the user cache.";
    UNREADABLE = counter "shared_session_unreadable_total", "Session records that could not be decoded.";
    CONFLICTING_COOKIES = counter "shared_session_conflicting_cookies_total",
        "Requests with several different session cookies.";
    COMMITS = counter "shared_session_commits_total", "Session writes that were stored.";
    MERGED = counter "shared_session_merged_total", "Concurrent writes that were merged.";
    REFUSED_STALE = counter "shared_session_refused_total" {"reason" = "stale"},
        "Requests refused because their session changed hands or ended.";
    REFUSED_GONE = counter "shared_session_refused_total" {"reason" = "gone"},
        "Requests refused because their session changed hands or ended.";
    REFUSED_CONFLICT = counter "shared_session_refused_total" {"reason" = "conflict"},
        "Requests refused because their session changed hands or ended.";
    UNAVAILABLE = counter "shared_session_unavailable_total",
        "Requests that failed because the session store did.";
    TOUCHES = counter "shared_session_touches_total", "Last uses of sessions that were written down.";
    ENDED_AGAIN = counter "shared_session_ended_again_total",
        "Sessions that another program brought back after their end.";
    OTHER_HASHES = counter "shared_session_other_hashes_total",
        "Sessions whose auth hash is of another secret key or of an earlier password.";
    LOAD_OK = histogram "shared_session_load_seconds" {"outcome" = "ok"}, "Time to read a session from the store.";
    LOAD_ERROR = histogram "shared_session_load_seconds" {"outcome" = "error"},
        "Time to read a session from the store.";
    COMMIT_OK = histogram "shared_session_commit_seconds" {"outcome" = "ok"},
        "Time to store what a request did to its session.";
    COMMIT_REFUSED = histogram "shared_session_commit_seconds" {"outcome" = "refused"},
        "Time to store what a request did to its session.";
    COMMIT_ERROR = histogram "shared_session_commit_seconds" {"outcome" = "error"},
        "Time to store what a request did to its session.";
    REDIS_CONNECTS_OK = counter "shared_session_redis_connects_total" {"outcome" = "ok"},
        "Attempts to connect to Redis.";
    REDIS_CONNECTS_ERROR = counter "shared_session_redis_connects_total" {"outcome" = "error"},
        "Attempts to connect to Redis.";
    REDIS_CONNECTIONS = gauge "shared_session_redis_connections", "Connections to Redis that are open.";
    REDIS_CALLS = gauge "shared_session_redis_calls", "Calls that wait for Redis.";
    REDIS_TIMEOUTS = counter "shared_session_redis_timeouts_total", "Calls that Redis did not answer in time.";
}
