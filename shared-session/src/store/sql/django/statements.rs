//! The statements over Django's table. Times are written as Django writes them and compared as it compares them.

use super::super::database::{Common, Dialects};

/// One text for each operation. Parameters are numbered as the caller binds them.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) common: Common,
    /// Nothing. Fails if the table or a column is missing.
    pub(super) check: &'static str,
    /// Key, value as bytes: how many live rows hold it.
    #[cfg(feature = "redis")]
    pub(super) holds: &'static str,
    /// Key, value, lifetime in milliseconds. Takes over a row whose lifetime has passed.
    pub(super) create: &'static str,
    /// Key, value, lifetime, the bytes to replace.
    pub(super) replace: &'static str,
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
            check: "SELECT session_key, session_data, expire_date FROM django_session LIMIT 0",
            #[cfg(feature = "redis")]
            holds: concat!(
                "SELECT count(*) FROM django_session WHERE session_key = $1 AND ",
                $data,
                " = $2 AND expire_date > ",
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

pub(super) static STATEMENTS: Dialects<Statements> = Dialects {
    // Keys are compared by the operators of `varchar_pattern_ops`, whose index Django makes: by bytes, whatever the
    // database's collation.
    #[cfg(feature = "postgres")]
    postgres: statements! {
        now: "clock_timestamp()",
        end: "clock_timestamp() + $3::bigint * interval '1 millisecond'",
        data: "convert_to(session_data, 'UTF8')",
        order: ["~>=~", "~<~", "USING ~<~"],
        pass_locked: " FOR UPDATE SKIP LOCKED",
        time: "(extract(epoch from clock_timestamp()) * 1000)::bigint",
    },
    // Django keeps a time as text in UTC, `2026-01-31 12:00:00.000000`, without the fraction where it is zero. Both sort
    // by time.
    #[cfg(feature = "sqlite")]
    sqlite: statements! {
        now: "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
        end: "strftime('%Y-%m-%d %H:%M:%f000', 'now', ($3 / 1000.0) || ' seconds')",
        data: "CAST(session_data AS BLOB)",
        order: [">=", "<", ""],
        pass_locked: "",
        time: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    },
};
