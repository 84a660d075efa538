//! The time limit of a statement, and the meaning of its failure.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind},
    sql::error::{self as sql_error, is_missing_table},
};

/// The time limit of one statement, including the wait for a connection or for SQLite's write lock.
const DEADLINE: Duration = Duration::from_secs(10);

/// Bounds the work and translates its error.
pub(super) async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result.map_err(failed),
        Err(late) => {
            Err(Error::new(ErrorKind::Unavailable, "the user database did not answer in time").with_source(late))
        }
    }
}

/// Drivers quote values in their messages about bad or conflicting data (SQLSTATE classes 22 and 23), so of those only
/// the code is kept.
pub(super) fn failed(error: sqlx::Error) -> Error {
    #[cfg(feature = "postgres")]
    if let Some(message) = crate::sql::postgres::explain(&error) {
        return Error::new(ErrorKind::Unavailable, message);
    }
    let kind = sql_error::kind(&error);
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let quotes_values = code.starts_with("22") || code.starts_with("23") || error.constraint().is_some();
            let what = if quotes_values { "the data" } else { error.message() };
            let cure = if is_missing_table(&*error) { ": call `SqlUsers::migrate`" } else { "" };
            Error::new(kind, format!("the user database refused: {what} (code {code}){cure}"))
        }
        error => {
            let message = match kind {
                ErrorKind::Config => "the URL of the user database is not valid",
                ErrorKind::Unreadable => "a value in the user table cannot be read",
                ErrorKind::Database => "the user table is another one than at the start",
                _ => "the user database cannot be reached",
            };
            Error::new(kind, message).with_source(error)
        }
    }
}
