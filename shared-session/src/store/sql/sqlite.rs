//! Opening a SQLite file that other processes open at the same moment, and its tables.

use std::{future::Future, str::FromStr, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    failure::{config, from_driver},
    file::File,
};
use crate::{error::Error, sql::error::sqlite_code};

/// How long a caller waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(2);

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn connect(url: &str, file: File) -> Result<SqlitePool, Error> {
    let mut options = SqliteConnectOptions::from_str(url)
        .map_err(from_driver)?
        .create_if_missing(file == File::Own)
        .busy_timeout(BUSY_TIMEOUT);
    if file == File::Own {
        options = options.synchronous(SqliteSynchronous::Normal);
    }
    let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE).test_before_acquire(false);
    if url.contains(":memory:") || url.contains("mode=memory") {
        // Such a database lives as long as its connection.
        let pool = pool.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        return pool.connect_with(options).await.map_err(from_driver);
    }
    let pool = pool.max_connections(8);
    let pool = while_busy(|| pool.clone().connect_with(options.clone())).await.map_err(cannot_open)?;
    if file == File::Own {
        while_busy(|| enter_wal(&pool)).await.map_err(from_driver)?;
    }
    Ok(pool)
}

fn cannot_open(error: sqlx::Error) -> Error {
    const SQLITE_CANTOPEN: u32 = 14;
    let code = error.as_database_error().and_then(|error| error.code());
    let missing = code.as_deref().and_then(sqlite_code) == Some(SQLITE_CANTOPEN);
    if missing {
        config("the SQLite file of the sessions cannot be opened, or does not exist")
    } else {
        from_driver(error)
    }
}

/// The file keeps this mode, so later connections find it. SQLite does not wait for a lock that it needs to change the
/// mode: it answers `SQLITE_BUSY`.
async fn enter_wal(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await?;
    if mode != "wal" {
        sqlx::query("PRAGMA journal_mode = WAL").execute(pool).await?;
    }
    Ok(())
}

/// Creates the missing `tables`.
pub(super) async fn migrate(pool: &SqlitePool, tables: &'static str) -> Result<(), Error> {
    while_busy(|| create_tables(pool, tables)).await.map_err(from_driver)
}

async fn create_tables(pool: &SqlitePool, tables: &'static str) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(tables).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Tries `work` again while another process holds the file, for about 10 s. Only for work that may be repeated.
async fn while_busy<T, F>(work: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut pause = Duration::from_millis(5);
    for _ in 0..50 {
        match work().await {
            Err(error) if is_busy(&error) => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
    work().await
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED`, with all their extended codes.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref().and_then(sqlite_code), Some(5 | 6))
}
