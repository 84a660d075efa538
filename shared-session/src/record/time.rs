//! The time in records.

use std::time::{Duration, SystemTime};

/// A point in time on the store's own clock, in milliseconds since the Unix epoch.
///
/// Records hold store time, so services whose clocks differ agree on every lifetime. It converts to and from
/// [`SystemTime`], which has the same epoch; the clocks of the store and of this computer may still differ.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use shared_session::store::StoreTime;
///
/// let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
/// assert_eq!(StoreTime::from(time), StoreTime(1_700_000_000_123));
/// assert_eq!(SystemTime::from(StoreTime(1_700_000_000_123)), time);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTime(pub u64);

impl StoreTime {
    /// This time plus `duration`, capped at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The duration from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds, rounded down. A time before 1970 becomes 1970, and one after the year 9999 becomes its end.
impl From<SystemTime> for StoreTime {
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        Self(u64::try_from(millis).unwrap_or(u64::MAX).min(END_OF_9999))
    }
}

/// A time after the year 9999 becomes its end, because not every system has later times.
impl From<StoreTime> for SystemTime {
    fn from(time: StoreTime) -> Self {
        Self::UNIX_EPOCH + Duration::from_millis(time.0.min(END_OF_9999))
    }
}

/// The last millisecond that ISO 8601, Python and SQL can write.
const END_OF_9999: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_the_calendar_become_its_ends() {
        assert_eq!(StoreTime::from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), StoreTime(0));
        let late = SystemTime::from(StoreTime(u64::MAX));
        assert_eq!(StoreTime::from(late), StoreTime(END_OF_9999));
        assert_eq!(StoreTime::from(late + Duration::from_secs(1)), StoreTime(END_OF_9999));
    }
}
