//! Keeps a flood of requests from being a flood of lines in the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Lets a few lines of one kind through in each interval, and counts what is left out.
///
/// The count goes into the next line of the kind that is let through. Make one for each kind of line; this crate has
/// one for each kind that a client can cause. Costs a lock that is never held for longer than it takes to count. A line
/// that no subscriber wants counts too, unless `tracing::enabled!` is asked first.
#[derive(Debug)]
pub(crate) struct LogLimit(Mutex<Interval>);

#[derive(Debug, Default)]
struct Interval {
    start: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl LogLimit {
    /// How many lines are let through in an [`INTERVAL`](Self::INTERVAL): more than one, because lines of one kind may
    /// have different reasons.
    const LINES: u32 = 10;

    /// Ten seconds.
    const INTERVAL: Duration = Duration::from_secs(10);

    /// A limit for one kind of line.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Interval { start: None, lines: 0, left_out: 0 }))
    }

    /// Whether one more line may be written now. If so, `Some` of how many were left out since the last one; that is
    /// `None`, too, if there were none, so that a field of `tracing` says nothing.
    #[expect(clippy::option_option, reason = "a field that is `None` is not written")]
    pub(crate) fn line(&self) -> Option<Option<u64>> {
        let mut interval = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        interval.line(Instant::now())
    }
}

impl Interval {
    #[expect(clippy::option_option, reason = "as `LogLimit::line`")]
    fn line(&mut self, now: Instant) -> Option<Option<u64>> {
        if self.start.is_none_or(|start| now.saturating_duration_since(start) >= LogLimit::INTERVAL) {
            (self.start, self.lines) = (Some(now), 0);
        }
        if self.lines == LogLimit::LINES {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines += 1;
        let left_out = std::mem::take(&mut self.left_out);
        Some(Some(left_out).filter(|left_out| *left_out > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lines_pass_and_the_next_ones_are_counted() {
        let (mut limit, start) = (Interval::default(), Instant::now());
        for _ in 0..LogLimit::LINES {
            assert_eq!(limit.line(start), Some(None));
        }
        for _ in 0..1000 {
            assert_eq!(limit.line(start + LogLimit::INTERVAL - Duration::from_millis(1)), None);
        }
        assert_eq!(limit.line(start + LogLimit::INTERVAL), Some(Some(1000)));
        assert_eq!(limit.line(start + LogLimit::INTERVAL), Some(None), "they are told once");
    }

    #[test]
    fn where_few_lines_come_none_is_left_out() {
        let (mut limit, start) = (Interval::default(), Instant::now());
        for n in 0..100 {
            assert_eq!(limit.line(start + LogLimit::INTERVAL * n / LogLimit::LINES), Some(None));
        }
    }

    #[test]
    fn kinds_do_not_count_for_each_other() {
        static A: LogLimit = LogLimit::new();
        static B: LogLimit = LogLimit::new();
        while A.line().is_some() {}
        assert_eq!(B.line(), Some(None));
    }
}
