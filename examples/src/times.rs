//! Times: those of the session store, and how they are shown.

use std::time::SystemTime;

use shared_session::store::StoreTime;

use crate::translations::Text;

/// The distance between two times, in seconds: "3 minutes ago", "in 2 days".
///
/// ```
/// use shared_session_examples::{language::Language, times::relative_time};
///
/// assert_eq!(relative_time(1_000, 1_180).in_language(Language::English), "3 minutes ago");
/// assert_eq!(relative_time(1_000 + 2 * 86_400, 1_000).in_language(Language::Chinese), "2 天后");
/// ```
#[must_use]
pub fn relative_time(then: i64, now: i64) -> Text {
    const UNITS: [(u64, Text, Text); 5] = [
        (31_557_600, Text::new("time-years-ago"), Text::new("time-years-ahead")),
        (2_629_800, Text::new("time-months-ago"), Text::new("time-months-ahead")),
        (86_400, Text::new("time-days-ago"), Text::new("time-days-ahead")),
        (3_600, Text::new("time-hours-ago"), Text::new("time-hours-ahead")),
        (60, Text::new("time-minutes-ago"), Text::new("time-minutes-ahead")),
    ];
    let seconds = now.abs_diff(then);
    let Some((size, ago, ahead)) = UNITS.into_iter().find(|(size, ..)| seconds >= *size) else {
        return if then > now { Text::new("time-soon") } else { Text::new("time-now") };
    };
    let text = if then > now { ahead } else { ago };
    text.with_count(seconds / size)
}

/// Seconds since 1970, by the clock of this machine: only for showing how long ago something was.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// The seconds since 1970 of a time of the session store.
#[must_use]
pub fn seconds(at: StoreTime) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
}

/// A time of the session store in the format of RFC 3339.
#[must_use]
pub fn timestamp(at: StoreTime) -> String {
    rfc3339(seconds(at))
}

/// A time in the format of RFC 3339, from seconds since 1970: `2026-03-01T12:00:00Z`.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March, so that the leap day is the last one; an era is 400 years, 146 097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn english(text: &Text) -> String {
        text.in_language(Language::English)
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (3_600, "1 hour ago"),
            (86_400, "1 day ago"),
            (29 * 86_400, "29 days ago"),
            (31 * 86_400, "1 month ago"),
            (800 * 86_400, "2 years ago"),
            (-1, "in a moment"),
            (-7_200, "in 2 hours"),
        ] {
            assert_eq!(english(&relative_time(1_000_000 - seconds, 1_000_000)), text);
        }
        assert!(english(&relative_time(i64::MIN, i64::MAX)).ends_with("years ago"));
    }

    #[test]
    fn dates_are_right_around_leap_days_and_before_1970() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
