//! The staff log: actions on users, groups and sessions, in a table beside the users.
//!
//! - An entry is written before the action, and the action fails if the entry cannot be written. So an entry shows a
//!   request, not its result.
//! - With a Django profile the database is Django's and gets no table. Then the actions are only in the log of the
//!   service, which contains them in any case ([`shared_session::audit`]).

use shared_session::{Error, ErrorKind};
use sqlx::{
    AssertSqlSafe, PgPool, Row, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::SqlitePoolOptions,
};

use crate::settings::Settings;

/// The most connections, besides those of the users.
const CONNECTIONS: u32 = 2;
const WRITE: &str = "INSERT INTO site_staff_log (at, staff, action, subject, address) VALUES ($1, $2, $3, $4, $5)";
const READ: &str = "SELECT at, staff, action, subject, address FROM site_staff_log ORDER BY id DESC LIMIT $1 OFFSET $2";

/// The table. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct StaffLog(Option<Pool>);

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same statement on either database, in a transaction: PostgreSQL may be behind a pooler, which assigns a
/// server for the length of a transaction only.
macro_rules! on_pool {
    ($pool:expr, |$connection:ident| $body:expr) => {
        match $pool {
            Pool::Sqlite(pool) => in_transaction!(pool, |$connection| $body),
            Pool::Postgres(pool) => in_transaction!(pool, |$connection| $body),
        }
    };
}

macro_rules! in_transaction {
    ($pool:ident, |$connection:ident| $body:expr) => {
        async {
            let mut transaction = $pool.begin().await?;
            let done = {
                let $connection = &mut *transaction;
                $body
            };
            transaction.commit().await?;
            Ok(done)
        }
        .await
        .map_err(failed)
    };
}

/// An action of a member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time of the action, in seconds since 1970.
    pub at: i64,
    /// The name of the member of staff.
    pub staff: String,
    /// The action; unknown words come from newer versions.
    pub action: String,
    /// The user, the group, or the public handle of the session.
    pub subject: String,
    /// The network address of the member of staff; empty if unknown.
    pub address: String,
}

impl StaffLog {
    /// The log beside the users that `settings` name; creates a missing table.
    ///
    /// # Errors
    /// One line with the setting to change.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        if settings.profile.is_django() {
            return Ok(Self(None));
        }
        Self::connect(&settings.users_database_url()).await
    }

    async fn connect(url: &str) -> Result<Self, Error> {
        let columns = "at BIGINT NOT NULL, staff TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, \
                       address TEXT NOT NULL";
        let pool = if url.starts_with("sqlite:") {
            Pool::Sqlite(SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_lazy(url).map_err(failed)?)
        } else {
            // Poolers refuse the parameter, and this table has no floating-point numbers.
            let options = url.parse::<PgConnectOptions>().map_err(failed)?.extra_float_digits(None);
            Pool::Postgres(PgPoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options))
        };
        let key = match pool {
            Pool::Sqlite(_) => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Pool::Postgres(_) => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        };
        let make = format!("CREATE TABLE IF NOT EXISTS site_staff_log (id {key}, {columns})");
        let log = Self(Some(pool));
        // PostgreSQL refuses one of two concurrent requests to create a table; at the second attempt the table exists.
        if log.make(&make).await.is_err() {
            log.make(&make).await?;
        }
        Ok(log)
    }

    async fn make(&self, sql: &str) -> Result<(), Error> {
        let Some(pool) = &self.0 else { return Ok(()) };
        on_pool!(pool, |connection| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
        })
    }

    /// Whether entries are kept in a table.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes an entry. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails.
    pub async fn write(&self, entry: &Entry) -> Result<(), Error> {
        let Entry { at, staff, action, subject, address } = entry;
        let Some(pool) = &self.0 else { return Ok(()) };
        on_pool!(pool, |connection| {
            let query = sqlx::query(WRITE).persistent(false).bind(at).bind(staff).bind(action).bind(subject);
            query.bind(address).execute(connection).await?;
        })
    }

    /// The latest entries after the first `offset`, at most `limit`. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails.
    pub async fn latest(&self, offset: u32, limit: u32) -> Result<Vec<Entry>, Error> {
        let Some(pool) = &self.0 else { return Ok(Vec::new()) };
        on_pool!(pool, |connection| {
            let query = sqlx::query(READ).persistent(false).bind(i64::from(limit)).bind(i64::from(offset));
            query.fetch_all(connection).await?.iter().map(read).collect::<sqlx::Result<Vec<_>>>()?
        })
    }
}

/// The columns of one row, of either database.
fn read<R: Row>(row: &R) -> sqlx::Result<Entry>
where
    for<'r> i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    usize: sqlx::ColumnIndex<R>,
{
    Ok(Entry {
        at: row.try_get(0)?,
        staff: row.try_get(1)?,
        action: row.try_get(2)?,
        subject: row.try_get(3)?,
        address: row.try_get(4)?,
    })
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the log of staff actions fails").with_source(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_latest_entries_come_first_and_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log.sqlite3");
        std::fs::write(&file, "").unwrap();
        let url = format!("sqlite://{}", file.display());
        let entry = |at, action: &str| Entry {
            at,
            staff: "root".into(),
            action: action.into(),
            subject: "o'neil; DROP TABLE site_staff_log".into(),
            address: String::new(),
        };
        let log = StaffLog::connect(&url).await.unwrap();
        assert!(log.is_kept());
        for (at, action) in [(1, "deactivate"), (2, "activate"), (3, "sign-out")] {
            log.write(&entry(at, action)).await.unwrap();
        }
        let log = StaffLog::connect(&url).await.unwrap();
        assert_eq!(log.latest(0, 2).await.unwrap(), [entry(3, "sign-out"), entry(2, "activate")]);
        assert_eq!(log.latest(2, 2).await.unwrap(), [entry(1, "deactivate")]);
    }

    #[tokio::test]
    async fn beside_djangos_tables_nothing_is_made() {
        let log = StaffLog(None);
        log.write(&Entry { at: 1, staff: "a".into(), action: "b".into(), subject: "c".into(), address: "d".into() })
            .await
            .unwrap();
        assert!(!log.is_kept() && log.latest(0, 9).await.unwrap().is_empty());
    }
}
