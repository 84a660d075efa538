//! Connecting to PostgreSQL, and its tables.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{database::ACQUIRE, failure::from_driver, statements};
use crate::Error;

/// Any fixed number will do, as long as all services use the same.
const MIGRATION_LOCK: i64 = 0x7368_6172_6564_7373;

/// A connection that was used within this time is taken to be alive; others are asked first.
const FRESH: Duration = Duration::from_secs(1);

pub(super) async fn connect(url: &str) -> Result<PgPool, Error> {
    let options = PgConnectOptions::from_str(url).map_err(from_driver)?;
    PgPoolOptions::new()
        .max_connections(10)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .map_err(from_driver)
}

pub(super) async fn migrate(pool: &PgPool) -> Result<(), Error> {
    create_tables(pool).await.map_err(from_driver)
}

async fn create_tables(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK).execute(&mut *transaction).await?;
    // PostgreSQL asks for the right to create even where `IF NOT EXISTS` finds that there is nothing to do. All of the
    // tables come in one transaction, so the last one stands for all.
    let exist: bool = sqlx::query_scalar("SELECT to_regclass('shared_session_index_deadline') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if !exist {
        sqlx::raw_sql(statements::POSTGRES_TABLES).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
