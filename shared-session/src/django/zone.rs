//! Local times, which a Django site with `USE_TZ = False` stores instead of points in time.
//!
//! A local time is the time on the clocks of one zone. When clocks go back, two points in time an hour apart have the
//! same local time (a *fold*); when they go forward, some local times do not occur (a *gap*). Both are read as in
//! Python with `fold=0`: a fold as the first of the two, a gap with the offset from before it.

use std::fmt;

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::temporal::{Pieces, TimeZoneAnnotationKind},
    tz::TimeZoneDatabase,
};

use crate::{
    error::{Error, ErrorKind},
    store::StoreTime,
};

/// The years of offset changes in the expression for SQLite. A service that runs longer keeps the last offset.
#[cfg(feature = "sqlite")]
const YEARS: i64 = 30;
#[cfg(feature = "sqlite")]
const YEAR: i64 = 366 * 86_400;

/// The time zone of a Django site with `USE_TZ = False`: its setting `TIME_ZONE`.
///
/// Set it on every part that reads or writes local times of that site:
/// [`Django::with_time_zone`](super::Django::with_time_zone),
/// [`DjangoDbStore::with_time_zone`](crate::django::DjangoDbStore::with_time_zone) and `UserTable::with_time_zone`. A
/// site with `USE_TZ = True` needs none, regardless of its `TIME_ZONE`, because it stores points in time.
///
/// ```
/// use shared_session::{ErrorKind, django::TimeZone};
///
/// assert_eq!(TimeZone::named("America/Chicago")?.name(), "America/Chicago");
/// assert_eq!(TimeZone::named("Chicago").unwrap_err().kind(), ErrorKind::Config);
/// # Ok::<(), shared_session::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TimeZone(jiff::tz::TimeZone);

impl TimeZone {
    /// The zone with this name in the IANA database, such as `America/Chicago` (Django's default) or `UTC`. Reads the
    /// database of the operating system, or the built-in one if that is missing or lacks the zone.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the zone does not exist.
    pub fn named(name: &str) -> Result<Self, Error> {
        let zone = jiff::tz::TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
        // The name is put in quotes in SQL.
        let is_plain = |name: &str| name.bytes().all(|c| c.is_ascii_alphanumeric() || b"/_+-".contains(&c));
        zone.filter(|zone| zone.iana_name().is_some_and(is_plain)).map(Self).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Error::new(ErrorKind::Config, format!("{shown:?} is not a time zone, such as America/Chicago or UTC"))
        })
    }

    /// The name in the IANA database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The point in time at which clocks of the zone show `local`.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        self.0.to_timestamp(local).ok()
    }

    /// The point in time at which clocks of the zone show the UTC time of `millis` after the Unix epoch.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn instant_of_millis(&self, millis: i64) -> i64 {
        let local = Timestamp::from_millisecond(millis).map(|as_if| jiff::tz::Offset::UTC.to_datetime(as_if));
        local.ok().and_then(|local| self.instant(local)).map_or(millis, Timestamp::as_millisecond)
    }

    /// Seconds that clocks of the zone are ahead of UTC.
    #[cfg(feature = "sqlite")]
    fn offset(&self, at: Timestamp) -> i64 {
        i64::from(self.0.to_offset(at).seconds())
    }

    /// Seconds to add to `end` in UTC so that clocks of the zone show nothing later between `now` and `end`.
    ///
    /// Normally that is the offset at `end`. But if `end` is in the second pass of a fold, and `now` is before clocks
    /// go back, they show later local times in between: then it is the offset from before the change. Django gets the
    /// same result by adding to the local time.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn offset_of_end(&self, now: StoreTime, end: StoreTime) -> i64 {
        let (now, end) = (timestamp(now), timestamp(end));
        let at_end = self.0.to_offset(end);
        let offset = match self.0.to_ambiguous_timestamp(at_end.to_datetime(end)).offset() {
            jiff::tz::AmbiguousOffset::Fold { before, after }
                if at_end == after && self.0.preceding(end).next().is_some_and(|change| now < change.timestamp()) =>
            {
                before
            }
            _ => at_end,
        };
        i64::from(offset.seconds())
    }

    /// An SQLite expression for the offset: `strftime(…, 'now', <it>)` is the current local time of the zone. SQLite
    /// has no zones, so the expression contains the changes of the offset.
    #[cfg(feature = "sqlite")]
    pub(crate) fn sqlite_offset(&self) -> String {
        use std::fmt::Write as _;

        let now = Timestamp::now().as_second();
        let from = Timestamp::from_second(now - YEAR).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut offset = self.offset(from);
        let mut cases = String::new();
        let changes = self.0.following(from).take_while(|change| change.timestamp().as_second() < now + YEARS * YEAR);
        for change in changes {
            // Writing to a string cannot fail.
            let _ =
                write!(cases, "WHEN unixepoch('now') < {} THEN '{offset:+} seconds' ", change.timestamp().as_second());
            offset = i64::from(change.offset().seconds());
        }
        if cases.is_empty() {
            return format!("'{offset:+} seconds'");
        }
        format!("CASE {cases}ELSE '{offset:+} seconds' END")
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimeZone").field(&self.name()).finish()
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn timestamp(time: StoreTime) -> Timestamp {
    i64::try_from(time.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(Timestamp::MAX)
}

/// `time` in the format of `datetime.isoformat()`: a local time in `zone`, or one in UTC.
pub(crate) fn isoformat(time: StoreTime, zone: Option<&TimeZone>) -> String {
    let instant = i64::try_from(time.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let instant = instant.unwrap_or(Timestamp::MAX);
    let (offset, suffix) = match zone {
        Some(zone) => (zone.0.to_offset(instant), ""),
        None => (jiff::tz::Offset::UTC, "+00:00"),
    };
    let format = if time.0.is_multiple_of(1000) { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S.%6f" };
    format!("{}{suffix}", offset.to_datetime(instant).strftime(format))
}

/// The meaning of a date and time in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(StoreTime),
    /// A local time, but no zone is configured.
    Local,
    /// Not a date and time.
    Unknown,
}

/// Parses the output of `datetime.isoformat()` (`2026-11-22T18:00:00.123456+00:00`), with the name of a zone in
/// brackets if a pickle has one. A text with neither is a local time in `zone`.
pub(crate) fn parse(text: &str, zone: Option<&TimeZone>) -> Moment {
    let Ok(pieces) = Pieces::parse(text) else { return Moment::Unknown };
    let Some(time) = pieces.time() else { return Moment::Unknown };
    let local = pieces.date().to_datetime(time);
    let instant = match (pieces.to_numeric_offset(), pieces.time_zone_annotation(), zone) {
        (Some(offset), ..) => offset.to_timestamp(local).ok(),
        (None, Some(annotation), _) => match annotation.kind() {
            // Only the built-in zones: a library should not read files here.
            TimeZoneAnnotationKind::Named(name) => {
                TimeZoneDatabase::bundled().get(name.as_str()).ok().and_then(|zone| TimeZone(zone).instant(local))
            }
            _ => None,
        },
        (None, None, Some(zone)) => zone.instant(local),
        (None, None, None) => return Moment::Local,
    };
    // The exact time before 1970 is irrelevant: it has passed.
    instant.map_or(Moment::Unknown, |at| Moment::At(StoreTime(u64::try_from(at.as_millisecond()).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::named(name).unwrap()
    }

    fn at(text: &str) -> StoreTime {
        match parse(text, None) {
            Moment::At(at) => at,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn times_are_read_as_python_writes_them() {
        for (text, millis) in [
            ("1970-01-01T00:00:00+00:00", 0),
            ("0001-01-01T00:00:00+00:00", 0),
            ("2023-11-14T22:13:20+00:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20.123456+00:00", 1_700_000_000_123),
            ("2023-11-14T23:43:20+01:30", 1_700_000_000_000),
            ("2023-11-14T14:13:20-08:00", 1_700_000_000_000),
            ("2023-11-14T22:13:21+00:00:01", 1_700_000_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-03-01 00:00:00Z", 951_868_800_000),
            ("2023-11-14T23:13:20[Europe/Paris]", 1_700_000_000_000),
            ("2023-11-14T17:13:20[America/Port-au-Prince]", 1_700_000_000_000),
        ] {
            assert_eq!(parse(text, None), Moment::At(StoreTime(millis)), "{text}");
        }
        for text in [
            "",
            "2023",
            "2023-11-14",
            "2023-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01X00:00:00Z",
            "2023-01-01T00:00:00[Europe/Nowhere]",
            "ä023-01-01T0",
        ] {
            assert_eq!(parse(text, None), Moment::Unknown, "{text}");
        }
    }

    /// `datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name)).timestamp()` of Python 3.13.
    #[test]
    fn local_times_are_read_as_python_reads_them_also_where_clocks_change() {
        for (name, text, in_utc) in [
            ("America/New_York", "2026-11-22T13:00:00.250000", "2026-11-22T18:00:00.250Z"),
            ("America/New_York", "2026-07-22T13:00:00", "2026-07-22T17:00:00Z"),
            // The gap of 2026-03-08 and the fold of 2026-11-01.
            ("America/New_York", "2026-03-08T01:59:59", "2026-03-08T06:59:59Z"),
            ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),
            ("America/New_York", "2026-03-08T03:00:00", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-11-01T00:59:59", "2026-11-01T04:59:59Z"),
            ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
            ("America/New_York", "2026-11-01T02:00:00", "2026-11-01T07:00:00Z"),
            ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
            ("Asia/Shanghai", "2026-11-22T13:00:00", "2026-11-22T05:00:00Z"),
            ("Asia/Kolkata", "2026-11-22T13:00:00", "2026-11-22T07:30:00Z"),
            ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z"),
            ("UTC", "2026-11-22T13:00:00", "2026-11-22T13:00:00Z"),
        ] {
            assert_eq!(parse(text, Some(&zone(name))), Moment::At(at(in_utc)), "{name} {text}");
        }
    }

    #[test]
    fn a_zone_decides_for_local_times_only() {
        let shanghai = zone("Asia/Shanghai");
        assert_eq!(parse("2026-11-22T13:00:00", None), Moment::Local);
        for text in ["2026-11-22T13:00:00+00:00", "2026-11-22T13:00:00-05:00", "2026-11-22T13:00:00[Europe/Paris]"] {
            assert_eq!(parse(text, Some(&shanghai)), parse(text, None), "{text}");
        }
    }

    #[test]
    fn names_that_no_zone_has_are_refused() {
        for name in ["", "Chicago", "America/Chicago'", "../etc/passwd", "Etc/Unknown", "+05:00", "EST5EDT4,M3.2.0"] {
            let error = TimeZone::named(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("America/Chicago or UTC"), "{error}");
        }
        assert_eq!(zone("UTC").name(), "UTC");
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn an_end_is_never_before_a_local_time_that_comes_earlier() {
        let new_york = zone("America/New_York");
        let shown = |now: &str, end: &str| {
            let offset = new_york.offset_of_end(at(now), at(end));
            (timestamp(at(end)) + jiff::SignedDuration::from_secs(offset)).to_string()
        };
        // In summer and in winter, and from one to the other.
        assert_eq!(shown("2026-07-01T12:00:00Z", "2026-07-01T13:00:00Z"), "2026-07-01T09:00:00Z");
        assert_eq!(shown("2026-07-01T12:00:00Z", "2026-12-01T13:00:00Z"), "2026-12-01T08:00:00Z");
        assert_eq!(shown("2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"), "2026-03-08T03:30:00Z");
        // Clocks go back at 06:00 UTC. From the first 01:30 to the second 01:15, clocks have shown 01:59.
        assert_eq!(shown("2026-11-01T05:30:00Z", "2026-11-01T06:15:00Z"), "2026-11-01T02:15:00Z");
        assert_eq!(shown("2026-11-01T06:10:00Z", "2026-11-01T06:15:00Z"), "2026-11-01T01:15:00Z");
        assert_eq!(shown("2026-11-01T05:30:00Z", "2026-11-01T07:30:00Z"), "2026-11-01T02:30:00Z");
        assert_eq!(shown("2026-03-01T05:30:00Z", "2026-11-01T06:15:00Z"), "2026-11-01T02:15:00Z");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite_is_told_of_every_change_of_the_clocks() {
        assert_eq!(zone("Asia/Shanghai").sqlite_offset(), "'+28800 seconds'");
        assert_eq!(zone("UTC").sqlite_offset(), "'+0 seconds'");
        let new_york = zone("America/New_York").sqlite_offset();
        assert!((60..=64).contains(&new_york.matches("WHEN").count()), "{new_york}");
        assert!(new_york.contains("'-14400 seconds' WHEN"), "{new_york}");
    }

    /// Around the changes of many years, SQLite adds the zone's offset.
    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn sqlite_adds_the_offset_of_the_moment() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let start = Timestamp::now().as_second();
        for name in ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Shanghai"] {
            let zone = zone(name);
            let changes = zone.0.following(Timestamp::now()).take(40).map(|change| change.timestamp().as_second());
            let moments = changes.flat_map(|at| [at - 1, at, at + 3600]).chain([start]);
            for at in moments {
                let expression = zone.sqlite_offset().replace("unixepoch('now')", &at.to_string());
                let sql = format!("SELECT CAST(strftime('%s', {at}, 'unixepoch', {expression}) AS INTEGER)");
                let shown: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
                assert_eq!(shown - at, zone.offset(Timestamp::from_second(at).unwrap()), "{name} at {at}");
            }
        }
    }

    /// Containers often lack their own zone data.
    #[test]
    fn zones_are_built_in() {
        for name in ["America/Chicago", "Asia/Shanghai", "Europe/Berlin", "US/Eastern", "UTC"] {
            assert!(TimeZoneDatabase::bundled().get(name).is_ok(), "{name}");
        }
    }
}
