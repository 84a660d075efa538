//! A pool of connections to either database, and the one way to use it: within a deadline, and with failures that tell
//! whether something may have been written.

use std::{future::Future, time::Duration};

use bytes::Bytes;

#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{
    failure::{self, QueryFailure, failed_read, failed_write},
    file::File,
};
#[cfg(feature = "postgres")]
use crate::sql::postgres::Postgres;
use crate::{
    error::Error,
    store::{Deleted, Page, Seen, StoreTime},
};

/// How long one operation may take: 2 s to get a connection, SQLite's busy timeout of 5 s, and a second for the work.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The number of keys on one page of a scan.
const PAGE: usize = 500;

/// Rows that one statement of a purge deletes, so that it never locks a table for long.
const PURGED_PER_STATEMENT: i64 = 1000;

/// A thousand years, so that a deadline fits a `bigint`.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 24 * 60 * 60);

/// `S` are the statements of a store.
#[derive(Clone)]
pub(crate) struct Database<S: 'static> {
    pub(crate) pool: Pool,
    pub(crate) timeout: Duration,
    pub(crate) sql: &'static S,
}

/// The statements that all tables have in common.
#[derive(Clone)]
pub(crate) struct Common {
    /// Key. Returns the value.
    pub(crate) load: &'static str,
    /// Key.
    pub(crate) delete: &'static str,
    /// Key, position, length and bytes of the part.
    pub(crate) delete_part: &'static str,
    /// First key, limit, the key to stop before.
    pub(crate) scan: &'static str,
    /// First key, limit.
    pub(crate) scan_to_the_end: &'static str,
    /// Limit. PostgreSQL checks the time of a row again when it locks it, so a row that was replaced stays.
    pub(crate) purge: &'static str,
    /// Milliseconds since the Unix epoch.
    pub(crate) time: &'static str,
}

pub(crate) struct Dialects<S> {
    #[cfg(feature = "postgres")]
    pub(crate) postgres: S,
    #[cfg(feature = "sqlite")]
    pub(crate) sqlite: S,
}

#[derive(Clone)]
pub(crate) enum Pool {
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// Runs `$body` on a connection, expanded once for each driver. With PostgreSQL it may run again, so it must not
/// consume its inputs. `$keeps` is for `persistent`.
macro_rules! on_connection {
    ($database:expr, $work:ident, |$connection:ident, $keeps:ident| $body:expr) => {
        match &$database.pool {
            #[cfg(feature = "postgres")]
            $crate::store::sql::database::Pool::Postgres(postgres) => {
                $crate::sql::postgres::attempt!(postgres, $crate::sql::postgres::Work::$work, |$connection, $keeps| {
                    $body
                })
            }
            #[cfg(feature = "sqlite")]
            $crate::store::sql::database::Pool::Sqlite(pool) => match pool.acquire().await {
                Ok(mut held) => {
                    let ($connection, $keeps) = (&mut *held, true);
                    async { $body }.await
                }
                Err(error) => Err($crate::store::sql::failure::QueryFailure::NotSent(error)),
            },
        }
    };
}
pub(crate) use on_connection;

/// An operation that only reads, as a future.
macro_rules! reading {
    ($database:expr, |$connection:ident, $keeps:ident| $body:expr) => {
        $database
            .read(async { $crate::store::sql::database::on_connection!($database, Read, |$connection, $keeps| $body) })
    };
}
pub(crate) use reading;

/// An operation that may write, as a future.
macro_rules! writing {
    ($database:expr, |$connection:ident, $keeps:ident| $body:expr) => {
        $database.write(async {
            $crate::store::sql::database::on_connection!($database, Write, |$connection, $keeps| $body)
        })
    };
}
pub(crate) use writing;

/// The methods that every store over a [`Database`] has. The store has a function `over`, which takes the database.
macro_rules! over_a_database {
    ($store:ident, $statements:expr) => {
        impl $store {
            /// Uses your pool, with the journal mode and the busy timeout that you set on it;
            /// [`connect`](Self::connect) lists the ones that it sets.
            #[cfg(feature = "sqlite")]
            #[must_use]
            pub fn from_sqlite(pool: sqlx::SqlitePool) -> Self {
                Self::over($crate::store::sql::database::Database::of_sqlite(pool, $statements))
            }

            /// Uses your pool. The isolation level should be PostgreSQL's default, `READ COMMITTED`: stricter ones turn
            /// conflicts into errors. If it leads to a pooler, call [`behind_pooler`](Self::behind_pooler).
            #[cfg(feature = "postgres")]
            #[must_use]
            pub fn from_postgres(pool: sqlx::PgPool) -> Self {
                let postgres = $crate::sql::postgres::Postgres::of(pool);
                Self::over($crate::store::sql::database::Database::of_postgres(postgres, $statements))
            }

            /// Declares that your pool leads to a pooler that switches servers between transactions. Default: a direct
            /// connection; [`connect`](Self::connect) detects poolers.
            #[cfg(feature = "postgres")]
            #[must_use]
            pub fn behind_pooler(mut self) -> Self {
                self.database = self.database.behind_pooler();
                self
            }

            /// How long one operation may take before it is
            /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), the wait for a connection included. Default:
            /// 8 s. Creating tables has no limit.
            #[must_use]
            pub fn with_timeout(mut self, timeout: std::time::Duration) -> Self {
                self.database.timeout = timeout;
                self
            }

            /// Closes the pool, for all its users, after the running operations have ended.
            pub async fn close(&self) {
                self.database.close().await;
            }
        }

        impl std::fmt::Debug for $store {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($store)).field("kind", &self.database.kind()).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use over_a_database;

impl<S: AsRef<Common>> Database<S> {
    #[cfg(feature = "postgres")]
    pub(crate) fn of_postgres(postgres: Postgres, sql: &'static Dialects<S>) -> Self {
        Self { pool: Pool::Postgres(postgres), timeout: TIMEOUT, sql: &sql.postgres }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn behind_pooler(self) -> Self {
        let pool = match self.pool {
            Pool::Postgres(postgres) => Pool::Postgres(postgres.behind_pooler()),
            #[cfg(feature = "sqlite")]
            other => other,
        };
        Self { pool, ..self }
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn of_sqlite(pool: sqlx::SqlitePool, sql: &'static Dialects<S>) -> Self {
        Self { pool: Pool::Sqlite(pool), timeout: TIMEOUT, sql: &sql.sqlite }
    }

    pub(crate) async fn connect(url: &str, file: File, sql: &'static Dialects<S>) -> Result<Self, Error> {
        #[cfg(feature = "sqlite")]
        if url.starts_with("sqlite:") {
            return Ok(Self::of_sqlite(sqlite::connect(url, file).await?, sql));
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::of_postgres(Postgres::connect(url).await?, sql));
        }
        let _ = file;
        // A URL may hold a password: do not repeat it.
        Err(failure::config("a SQL session store needs a sqlite: or postgres: URL, and the feature of that name"))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => "postgres",
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => "sqlite",
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(postgres) => postgres.pool.is_closed(),
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.is_closed(),
        }
    }

    pub(crate) async fn close(&self) {
        match &self.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(postgres) => postgres.pool.close().await,
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => pool.close().await,
        }
    }

    pub(crate) async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        reading!(self, |connection, keeps| {
            let query = sqlx::query_scalar::<_, Vec<u8>>(self.sql.as_ref().load).persistent(keeps).bind(key);
            Ok(query.fetch_optional(&mut *connection).await?.map(Bytes::from))
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        writing!(self, |connection, keeps| {
            let query = match seen {
                None => sqlx::query(self.sql.as_ref().delete).persistent(keeps).bind(key),
                Some(seen) => sqlx::query(self.sql.as_ref().delete_part)
                    .persistent(keeps)
                    .bind(key)
                    .bind(position(seen))
                    .bind(length(seen))
                    .bind(seen.part()),
            };
            if query.execute(&mut *connection).await?.rows_affected() > 0 {
                return Ok(Deleted::Done);
            }
            if seen.is_none() {
                return Ok(Deleted::Gone);
            }
            let query = sqlx::query_scalar::<_, Vec<u8>>(self.sql.as_ref().load).persistent(keeps).bind(key);
            let current = query.fetch_optional(&mut *connection).await.map_err(QueryFailure::NotSent)?;
            Ok(current.map_or(Deleted::Gone, |value| Deleted::Conflict(value.into())))
        })
        .await
    }

    pub(crate) async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        let (start, end) = (from.unwrap_or(prefix), end_of(prefix));
        // One more than a page: the first key of the next page.
        let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let mut keys: Vec<String> = reading!(self, |connection, keeps| {
            let query = match &end {
                Some(end) => {
                    sqlx::query_scalar(self.sql.as_ref().scan).persistent(keeps).bind(start).bind(limit).bind(end)
                }
                None => sqlx::query_scalar(self.sql.as_ref().scan_to_the_end).persistent(keeps).bind(start).bind(limit),
            };
            Ok(query.fetch_all(&mut *connection).await?)
        })
        .await?;
        let next = if keys.len() > PAGE { keys.pop() } else { None };
        Ok(Page::new(keys, next))
    }

    pub(crate) async fn purge_expired(&self) -> Result<u64, Error> {
        self.purge(self.sql.as_ref().purge).await
    }

    /// Runs `statement`, with a limit, until it deletes nothing.
    pub(crate) async fn purge(&self, statement: &'static str) -> Result<u64, Error> {
        let mut total = 0;
        loop {
            let purged = writing!(self, |connection, keeps| {
                let query = sqlx::query(statement).persistent(keeps).bind(PURGED_PER_STATEMENT);
                Ok(query.execute(&mut *connection).await?.rows_affected())
            })
            .await?;
            total += purged;
            if purged < PURGED_PER_STATEMENT.unsigned_abs() {
                return Ok(total);
            }
        }
    }

    pub(crate) async fn time(&self) -> Result<StoreTime, Error> {
        let time = reading!(self, |connection, keeps| {
            let query = sqlx::query_scalar::<_, i64>(self.sql.as_ref().time).persistent(keeps);
            Ok(query.fetch_one(&mut *connection).await?)
        })
        .await?;
        Ok(StoreTime(u64::try_from(time).unwrap_or_default()))
    }

    pub(crate) async fn read<T>(&self, work: impl Future<Output = Result<T, QueryFailure>>) -> Result<T, Error> {
        let result = tokio::time::timeout(self.timeout, work).await;
        result.unwrap_or(Err(QueryFailure::TimedOut)).map_err(failed_read)
    }

    pub(crate) async fn write<T>(&self, work: impl Future<Output = Result<T, QueryFailure>>) -> Result<T, Error> {
        let result = tokio::time::timeout(self.timeout, work).await;
        result.unwrap_or(Err(QueryFailure::TimedOut)).map_err(failed_write)
    }
}

/// At least a millisecond, at most a thousand years.
pub(crate) fn milliseconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.clamp(Duration::from_millis(1), LONGEST).as_millis()).unwrap_or(i64::MAX)
}

/// The start of the part; SQL counts from 1.
pub(crate) fn position(seen: &Seen) -> i32 {
    i32::try_from(seen.offset()).unwrap_or(i32::MAX - 1) + 1
}

pub(crate) fn length(seen: &Seen) -> i32 {
    i32::try_from(seen.part().len()).unwrap_or(i32::MAX)
}

/// The least string greater than every string that starts with `prefix`, if there is one. UTF-8 sorts by code point.
pub(crate) fn end_of(prefix: &str) -> Option<String> {
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
