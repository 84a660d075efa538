//! A pool of connections to either database, and the one way to use it: within a deadline, and with every failure
//! told apart by whether something may have been written.

use std::{future::Future, time::Duration};

use super::failure::{self, Failure, failed_read, failed_write};
#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use crate::{Error, store::Seen};

/// How long a caller waits for a free connection.
pub(super) const ACQUIRE: Duration = Duration::from_secs(2);

/// How long one operation may take: [`ACQUIRE`], SQLite's busy timeout of 5 s, and a second for the work.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A thousand years, so that a deadline fits a `bigint`.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 24 * 60 * 60);

/// What to do about a SQLite file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// It is ours: create it where it is missing, switch it to WAL.
    Own,
    /// It is another application's: take it as it is.
    #[cfg(feature = "django")]
    Foreign,
}

#[derive(Clone)]
pub(super) struct Database {
    pub(super) pool: Pool,
    pub(super) timeout: Duration,
}

#[derive(Clone)]
pub(super) enum Pool {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// Takes a connection and expands `$body` once for each driver, with `$sql`, its statements of the module
/// `$statements`.
macro_rules! on_connection {
    ($database:expr, $statements:ident, |$connection:ident, $sql:ident| $body:expr) => {
        match &$database.pool {
            #[cfg(feature = "postgres")]
            $crate::store::sql::database::Pool::Postgres(pool) => {
                let mut connection = pool.acquire().await.map_err($crate::store::sql::failure::Failure::NotSent)?;
                let ($connection, $sql) = (&mut *connection, &$statements::POSTGRES);
                $body
            }
            #[cfg(feature = "sqlite")]
            $crate::store::sql::database::Pool::Sqlite(pool) => {
                let mut connection = pool.acquire().await.map_err($crate::store::sql::failure::Failure::NotSent)?;
                let ($connection, $sql) = (&mut *connection, &$statements::SQLITE);
                $body
            }
        }
    };
}
pub(super) use on_connection;

impl Database {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, timeout: TIMEOUT }
    }

    pub(super) async fn connect(url: &str, file: File) -> Result<Self, Error> {
        #[cfg(feature = "sqlite")]
        if url.starts_with("sqlite:") {
            return Ok(Self::new(Pool::Sqlite(sqlite::connect(url, file).await?)));
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::new(Pool::Postgres(postgres::connect(url).await?)));
        }
        let _ = file;
        // A URL may hold a password: do not repeat it.
        Err(failure::config("a SQL session store needs a sqlite: or postgres: URL, and the feature of that name"))
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => "postgres",
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => "sqlite",
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => pool.is_closed(),
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.is_closed(),
        }
    }

    pub(super) async fn close(&self) {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => pool.close().await,
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.close().await,
        }
    }

    pub(super) async fn read<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
        let result = tokio::time::timeout(self.timeout, work).await;
        result.unwrap_or(Err(Failure::TimedOut)).map_err(failed_read)
    }

    pub(super) async fn write<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
        let result = tokio::time::timeout(self.timeout, work).await;
        result.unwrap_or(Err(Failure::TimedOut)).map_err(failed_write)
    }
}

/// At least a millisecond, at most a thousand years.
pub(super) fn milliseconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.clamp(Duration::from_millis(1), LONGEST).as_millis()).unwrap_or(i64::MAX)
}

/// Where the part starts: SQL counts from 1.
pub(super) fn position(seen: &Seen) -> i32 {
    i32::try_from(seen.offset()).unwrap_or(i32::MAX - 1) + 1
}

pub(super) fn length(seen: &Seen) -> i32 {
    i32::try_from(seen.part().len()).unwrap_or(i32::MAX)
}

/// The least string greater than every string that starts with `prefix`, if there is one. UTF-8 sorts by code point.
pub(super) fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_skips_what_is_no_character() {
        assert_eq!(end_of("a%").as_deref(), Some("a&"));
        assert_eq!(end_of("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end_of("a\u{10ffff}\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of("\u{10ffff}"), None);
        assert_eq!(end_of(""), None);
    }

    #[test]
    fn lifetimes_are_at_least_a_millisecond_and_never_overflow() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_micros(1999)), 1);
        assert!(milliseconds(Duration::MAX) > 30_000_000_000_000);
    }
}
