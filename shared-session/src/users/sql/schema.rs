//! The migrations: Django's tables as Django makes them, and one table of our own.

use std::sync::{Arc, PoisonError};

#[cfg(feature = "sqlite")]
use super::busy::retry_while_busy;
#[cfg(feature = "postgres")]
use super::failure::within;
use super::{
    Pool, SqlUsers,
    user_table::{AUTH_USER, UserTable},
};
use crate::error::Error;

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
/// An arbitrary number, the same in every service.
#[cfg(feature = "postgres")]
const ADVISORY_LOCK: i64 = 0x7368_7365_7573_6572;

struct Scripts {
    auth: &'static str,
    /// Records for Django which of its `auth` migrations are applied.
    history: &'static str,
    epoch: &'static str,
}

impl SqlUsers {
    /// Creates missing tables. Safe to call at every start, from any number of services at once.
    ///
    /// They are those of Django 4.2 to 6.x, and their migrations are recorded for Django: a Django site on the same
    /// database continues from there with a plain `manage.py migrate` (or `--fake-initial`). If an `auth_user` exists
    /// already, only the side table `shared_session_epoch` is added, and the columns of `auth_user` are inspected: some
    /// may be missing, or have other types.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database cannot be reached, [`ErrorKind::Database`] if it refuses, for example
    /// for lack of rights, [`ErrorKind::Config`] if the existing `auth_user` is not a usable user table.
    ///
    /// [`ErrorKind::Unavailable`]: crate::ErrorKind::Unavailable
    /// [`ErrorKind::Database`]: crate::ErrorKind::Database
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

#[cfg(feature = "sqlite")]
async fn migrate_sqlite(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
    // Take the write lock from the start: a transaction that requests it later cannot wait for it.
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

/// A transaction that excludes other schema changes: `IF NOT EXISTS` does not protect from a simultaneous `CREATE`.
#[cfg(feature = "postgres")]
async fn locked(pool: &sqlx::PgPool) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let mut transaction = pool.begin().await?;
    // Statements are not prepared permanently: behind a pooler the next transaction may run on another server.
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
