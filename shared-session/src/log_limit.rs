//! Keeps a flood of requests from flooding the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Allows a few lines of one kind in each interval, and counts the omitted ones.
///
/// The next allowed line of the kind carries the count. Make one for each kind of line; this crate has one for each
/// kind that a client can cause. Costs a lock, held only while counting. A line that no subscriber wants counts too,
/// unless the caller checks `tracing::enabled!` first.
#[derive(Debug)]
pub(crate) struct LogLimit(Mutex<Interval>);

#[derive(Debug, Default)]
struct Interval {
    start: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl LogLimit {
    /// The number of allowed lines in an [`INTERVAL`](Self::INTERVAL): more than one, because lines of one kind may
    /// have different reasons.
    const LINES: u32 = 10;

    /// Ten seconds.
    const INTERVAL: Duration = Duration::from_secs(10);

    /// A limit for one kind of line.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Interval { start: None, lines: 0, left_out: 0 }))
    }

    /// `Some` if one more line may be written now. It holds the number of lines omitted since the last one, or `None`
    /// instead of zero, so that the field is absent from the `tracing` event.
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
        assert_eq!(limit.line(start + LogLimit::INTERVAL), Some(None), "they are reported once");
    }

    #[test]
    fn a_few_lines_at_a_time_are_all_written() {
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
