//! The meaning of a driver's error for the caller.

use std::fmt;

use crate::{
    error::{Error, ErrorKind},
    sql::error::{self as sql_error, is_missing_table, sqlite_code},
};

/// The reason for a failed operation, and whether the database may have applied it.
pub(crate) enum QueryFailure {
    /// The operation never reached the database, or is known to have changed nothing.
    NotSent(sqlx::Error),
    /// The operation was sent.
    Sent(sqlx::Error),
    /// The operation took too long.
    TimedOut,
}

impl From<sqlx::Error> for QueryFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sent(error)
    }
}

#[cfg(feature = "postgres")]
impl crate::sql::postgres::Failed for QueryFailure {
    fn driver(&self) -> Option<&sqlx::Error> {
        match self {
            Self::NotSent(error) | Self::Sent(error) => Some(error),
            Self::TimedOut => None,
        }
    }

    fn not_written(self) -> Self {
        match self {
            Self::Sent(error) => Self::NotSent(error),
            failure => failure,
        }
    }
}

pub(crate) fn failed_read(failure: QueryFailure) -> Error {
    match failure {
        QueryFailure::NotSent(error) | QueryFailure::Sent(error) => from_driver(error),
        QueryFailure::TimedOut => timed_out(),
    }
}

pub(crate) fn failed_write(failure: QueryFailure) -> Error {
    match failure {
        QueryFailure::NotSent(error) => from_driver(error),
        QueryFailure::Sent(error) if refused(&error) => from_driver(error),
        QueryFailure::Sent(error) => from_driver(error).undecided(),
        // It may have been running.
        QueryFailure::TimedOut => timed_out().late(),
    }
}

pub(crate) fn config(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

pub(crate) fn from_driver(error: sqlx::Error) -> Error {
    #[cfg(feature = "postgres")]
    if let Some(message) = crate::sql::postgres::explain(&error) {
        return Error::new(ErrorKind::Unavailable, message);
    }
    let message = match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            "the session database holds a value of the wrong kind"
        }
        sqlx::Error::Configuration(_) => "the session database's URL is not valid",
        sqlx::Error::Database(error) if is_missing_table(&**error) => {
            if error.message().contains("shared_session") {
                "the session database has no tables for sessions: call `SqlStore::migrate`"
            } else {
                "the session database has no table for sessions: run manage.py migrate"
            }
        }
        sqlx::Error::Database(_) => "the session database refused",
        sqlx::Error::PoolTimedOut => "no connection to the session database became free",
        _ => "the session database did not answer",
    };
    Error::new(sql_error::kind(&error), message).with_source(Driver(error))
}

fn timed_out() -> Error {
    Error::new(ErrorKind::Unavailable, "the session database did not answer in time")
}

/// Whether the database reports that it applied nothing.
fn refused(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    // PostgreSQL class 08 is a broken connection, 57P0x a server that shuts down: both may come after the commit.
    // SQLite 10 is a disk error, which may occur at any moment.
    let code = error.code().unwrap_or_default();
    !(code.starts_with("08") || code.starts_with("57P0") || sqlite_code(&code) == Some(10))
}

/// A driver's error without its details: those may quote a key or a value.
struct Driver(sqlx::Error);

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Driver {}
