//! The statements over Django's table. Times are written and compared as in Django.

use std::sync::{Mutex, PoisonError};

use crate::{
    django::zone::TimeZone,
    store::sql::database::{Common, Dialects, Pool},
};

/// One statement for each operation. Parameters are numbered in the caller's binding order.
#[derive(Clone)]
pub(crate) struct Statements {
    pub(crate) common: Common,
    /// The expressions for the current time and for the end of a lifetime.
    now: &'static str,
    end: &'static str,
    /// No parameters. Fails if the table or a column is missing.
    pub(crate) check: &'static str,
    /// Key, value as bytes. Returns the number of live rows with that value.
    #[cfg(feature = "redis")]
    pub(crate) holds: &'static str,
    /// Key. Returns milliseconds since the Unix epoch; a local time is returned as if it were UTC.
    pub(crate) expires: &'static str,
    /// Key, value, lifetime in milliseconds (with the offset at its end, if times are local). Replaces a row whose
    /// lifetime has passed.
    pub(crate) create: &'static str,
    /// Key, value, lifetime as in `create`, the bytes to replace.
    pub(crate) replace: &'static str,
}

impl AsRef<Common> for Statements {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

macro_rules! statements {
    (
        now: $now:literal,
        end: $end:literal,
        data: $data:literal,
        expires: $expires:literal,
        order: [$from:literal, $before:literal, $by:literal],
        pass_locked: $pass:literal,
        time: $time:literal $(,)?
    ) => {
        Statements {
            common: Common {
                load: concat!("SELECT ", $data, " FROM django_session WHERE session_key = $1 AND expire_date > ", $now),
                delete: concat!("DELETE FROM django_session WHERE session_key = $1 AND expire_date > ", $now),
                delete_part: concat!(
                    "DELETE FROM django_session WHERE session_key = $1 AND substr(",
                    $data,
                    ", $2, $3) = $4 AND expire_date > ",
                    $now,
                ),
                scan: concat!(
                    "SELECT session_key FROM django_session WHERE session_key ",
                    $from,
                    " $1 AND session_key ",
                    $before,
                    " $3 AND expire_date > ",
                    $now,
                    " ORDER BY session_key ",
                    $by,
                    " LIMIT $2",
                ),
                scan_to_the_end: concat!(
                    "SELECT session_key FROM django_session WHERE session_key ",
                    $from,
                    " $1 AND expire_date > ",
                    $now,
                    " ORDER BY session_key ",
                    $by,
                    " LIMIT $2",
                ),
                purge: concat!(
                    "DELETE FROM django_session WHERE session_key IN (",
                    "SELECT session_key FROM django_session WHERE expire_date <= (SELECT ",
                    $now,
                    ") ORDER BY expire_date LIMIT $1",
                    $pass,
                    ")",
                ),
                time: concat!("SELECT ", $time),
            },
            now: $now,
            end: $end,
            check: "SELECT session_key, session_data, expire_date FROM django_session LIMIT 0",
            #[cfg(feature = "redis")]
            holds: concat!(
                "SELECT count(*) FROM django_session WHERE session_key = $1 AND ",
                $data,
                " = $2 AND expire_date > ",
                $now,
            ),
            expires: concat!(
                "SELECT ",
                $expires,
                " FROM django_session WHERE session_key = $1 AND expire_date > ",
                $now,
            ),
            create: concat!(
                "INSERT INTO django_session (session_key, session_data, expire_date) VALUES ($1, $2, ",
                $end,
                ") ON CONFLICT (session_key) DO UPDATE SET ",
                "session_data = excluded.session_data, expire_date = excluded.expire_date ",
                "WHERE django_session.expire_date <= ",
                $now,
            ),
            replace: concat!(
                "UPDATE django_session SET session_data = $2, expire_date = ",
                $end,
                " WHERE session_key = $1 AND ",
                $data,
                " = $4 AND expire_date > ",
                $now,
            ),
        }
    };
}

pub(crate) static STATEMENTS: Dialects<Statements> = Dialects {
    // Keys are compared by the operators of `varchar_pattern_ops`, for which Django creates an index: by bytes,
    // regardless of the database's collation.
    #[cfg(feature = "postgres")]
    postgres: statements! {
        now: "clock_timestamp()",
        end: "clock_timestamp() + $3::bigint * interval '1 millisecond'",
        data: "convert_to(session_data, 'UTF8')",
        expires: "(extract(epoch from expire_date) * 1000)::bigint",
        order: ["~>=~", "~<~", "USING ~<~"],
        pass_locked: " FOR UPDATE SKIP LOCKED",
        time: "(extract(epoch from clock_timestamp()) * 1000)::bigint",
    },
    // Django stores a time as text in UTC, `2026-01-31 12:00:00.000000`, without the fraction if it is zero. Both forms
    // sort by time.
    #[cfg(feature = "sqlite")]
    sqlite: statements! {
        now: "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        end: "strftime('%Y-%m-%d %H:%M:%f000', 'now', ($3 / 1000.0) || ' seconds')",
        data: "CAST(session_data AS BLOB)",
        expires: "CAST(unixepoch(expire_date, 'subsec') * 1000 AS INTEGER)",
        order: [">=", "<", ""],
        pass_locked: "",
        time: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    },
};

/// The statements for an `expire_date` with local times of `zone`. They are made once per zone and, like the ones
/// above, live as long as the process.
pub(crate) fn in_zone(pool: &Pool, zone: &TimeZone) -> &'static Statements {
    type Made = Vec<(&'static Statements, TimeZone, &'static Statements)>;
    static MADE: Mutex<Made> = Mutex::new(Vec::new());

    let (base, now, end) = match pool {
        #[cfg(feature = "postgres")]
        Pool::Postgres(_) => (
            &STATEMENTS.postgres,
            format!("(clock_timestamp() AT TIME ZONE '{}')", zone.name()),
            "(clock_timestamp() AT TIME ZONE 'UTC') + $3::bigint * interval '1 millisecond'".to_owned(),
        ),
        #[cfg(feature = "sqlite")]
        Pool::Sqlite(_) => (
            &STATEMENTS.sqlite,
            format!("(SELECT strftime('%Y-%m-%d %H:%M:%f000', 'now', {}))", zone.sqlite_offset()),
            STATEMENTS.sqlite.end.to_owned(),
        ),
    };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., statements)) = made.iter().find(|(of, in_zone, _)| std::ptr::eq(*of, base) && in_zone == zone) {
        return statements;
    }
    let statements: &'static Statements = Box::leak(Box::new(base.with_times(&now, &end)));
    made.push((base, zone.clone(), statements));
    statements
}

impl Statements {
    /// The same statements with other texts for the current time and the end of a lifetime.
    fn with_times(&self, now: &str, end: &str) -> Self {
        let text = |text: &'static str| -> &'static str {
            let parts: Vec<_> = text.split(self.end).map(|part| part.replace(self.now, now)).collect();
            parts.join(end).leak()
        };
        let Common { load, delete, delete_part, scan, scan_to_the_end, purge, time } = self.common;
        Self {
            common: Common {
                load: text(load),
                delete: text(delete),
                delete_part: text(delete_part),
                scan: text(scan),
                scan_to_the_end: text(scan_to_the_end),
                purge: text(purge),
                // The time of the database's clock needs no zone.
                time,
            },
            now: self.now,
            end: self.end,
            check: self.check,
            #[cfg(feature = "redis")]
            holds: text(self.holds),
            expires: text(self.expires),
            create: text(self.create),
            replace: text(self.replace),
        }
    }
}
