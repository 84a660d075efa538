//! How our tables are made: as Django makes them, and one of ours.

use std::sync::{Arc, PoisonError};

#[cfg(feature = "postgres")]
use super::within;
use super::{Pool, SqlUsers, inspect::AUTH_USER, user_table::UserTable};
use crate::Error;

#[cfg(feature = "sqlite")]
const SQLITE: Scripts = Scripts {
    auth: include_str!("sqlite_auth.sql"),
    history: include_str!("sqlite_history.sql"),
    epoch: include_str!("epoch.sql"),
};
#[cfg(feature = "postgres")]
const POSTGRES: Scripts = Scripts {
    auth: include_str!("postgres_auth.sql"),
    history: include_str!("postgres_history.sql"),
    epoch: include_str!("epoch.sql"),
};
/// Any number, the same in every service.
#[cfg(feature = "postgres")]
const ADVISORY_LOCK: i64 = 0x7368_7365_7573_6572;

struct Scripts {
    auth: &'static str,
    /// Tells Django which of its migrations are in `auth`.
    history: &'static str,
    epoch: &'static str,
}

impl SqlUsers {
    /// Makes the tables where they are missing. Safe to call at every start, from any number of services at once.
    ///
    /// They are those of Django 4.2 to 6.x, and Django is told which of its migrations they hold: a Django site that is
    /// pointed at the database goes on from there with a plain `manage.py migrate` (or `--fake-initial`). Where an
    /// `auth_user` exists already, only the side table `shared_session_epoch` is added, and its columns are looked at:
    /// some may be missing, or have types of their own.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database cannot be reached, [`ErrorKind::Refused`] if it refuses, for example
    /// for lack of rights, [`ErrorKind::Config`] if there is an `auth_user` that cannot be one.
    ///
    /// [`ErrorKind::Unavailable`]: crate::ErrorKind::Unavailable
    /// [`ErrorKind::Refused`]: crate::ErrorKind::Refused
    /// [`ErrorKind::Config`]: crate::ErrorKind::Config
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => retry_while_busy(|| migrate_sqlite(pool)).await,
            #[cfg(feature = "postgres")]
            Pool::Postgres(postgres) => within(migrate_postgres(&postgres.pool)).await,
        }?;
        let tables = Arc::new(self.inspect(&UserTable::new(AUTH_USER), true).await?);
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = tables;
        Ok(())
    }
}

/// The first switch needs the file for itself, and SQLite does not wait for that by itself.
#[cfg(feature = "sqlite")]
pub(super) async fn switch_to_wal(options: &sqlx::sqlite::SqliteConnectOptions) -> Result<(), Error> {
    use sqlx::{ConnectOptions, Connection};
    retry_while_busy(|| async {
        let mut connection = options.connect().await?;
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
        connection.close().await
    })
    .await
}

#[cfg(feature = "sqlite")]
async fn migrate_sqlite(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
    // The write lock from the start: a transaction that asks for it later cannot wait for it.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let exists = "SELECT COUNT(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = $1";
    let has_users: bool = sqlx::query_scalar(exists).bind(AUTH_USER).fetch_one(&mut *transaction).await?;
    let has_history: bool = sqlx::query_scalar(exists).bind("django_migrations").fetch_one(&mut *transaction).await?;
    for script in SQLITE.missing(has_users, has_history) {
        sqlx::raw_sql(script).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(feature = "postgres")]
async fn migrate_postgres(pool: &sqlx::PgPool) -> sqlx::Result<()> {
    let mut transaction = locked(pool).await?;
    let exists =
        |table: &'static str| sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").persistent(false).bind(table);
    let has_users: bool = exists(AUTH_USER).fetch_one(&mut *transaction).await?;
    let has_history: bool = exists("django_migrations").fetch_one(&mut *transaction).await?;
    for script in POSTGRES.missing(has_users, has_history) {
        sqlx::raw_sql(script).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// A transaction that runs alone among those that change the schema: `IF NOT EXISTS` is no protection from a
/// simultaneous `CREATE`.
#[cfg(feature = "postgres")]
async fn locked(pool: &sqlx::PgPool) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let mut transaction = pool.begin().await?;
    // Its statements are not kept: behind a pooler the next transaction may be on another server.
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").persistent(false).bind(ADVISORY_LOCK);
    lock.execute(&mut *transaction).await?;
    Ok(transaction)
}

impl Scripts {
    fn missing(self, has_users: bool, has_history: bool) -> impl Iterator<Item = &'static str> {
        let auth = (!has_users).then_some(self.auth);
        let history = (!has_users && !has_history).then_some(self.history);
        auth.into_iter().chain(history).chain([self.epoch])
    }
}

/// SQLite answers "busy" without waiting where waiting could deadlock. Tries again for up to half a minute.
#[cfg(feature = "sqlite")]
async fn retry_while_busy<W: Future<Output = sqlx::Result<()>>>(mut work: impl FnMut() -> W) -> Result<(), Error> {
    use std::time::{Duration, Instant};
    const PATIENCE: Duration = Duration::from_secs(30);
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match work().await {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(200));
            }
            result => return result.map_err(super::failed),
        }
    }
}

/// The low byte of an extended result code is the code.
#[cfg(feature = "sqlite")]
fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn work_that_finds_the_database_busy_is_done_again() {
        let file = std::env::temp_dir().join(format!("shared-session-busy-{}.sqlite3", std::process::id()));
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let options = options.busy_timeout(std::time::Duration::ZERO);
        let mut holder = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
        let (holder, attempts) = (tokio::sync::Mutex::new(Some(holder)), std::cell::Cell::new(0));
        let done = retry_while_busy(|| async {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 3 {
                holder.lock().await.take().unwrap().close().await?;
            }
            let mut connection = options.connect().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            connection.close().await
        })
        .await;
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(attempts.get(), 3);

        // Any other failure is final.
        let failed = retry_while_busy(|| async {
            attempts.set(attempts.get() + 1);
            options.clone().filename("no such directory/file").connect().await.map(drop)
        });
        assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(attempts.get(), 4);
        std::fs::remove_file(file).unwrap();
    }
}
