//! The tables in PostgreSQL.

use sqlx::PgPool;

use super::{failure::from_driver, statements};
use crate::error::Error;

/// Any fixed number, as long as all services use the same.
const MIGRATION_LOCK: i64 = 0x7368_6172_6564_7373;

pub(super) async fn migrate(pool: &PgPool) -> Result<(), Error> {
    create_tables(pool).await.map_err(from_driver)
}

async fn create_tables(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // Its statements are not kept, because behind a pooler the next transaction may be on another server.
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").persistent(false).bind(MIGRATION_LOCK);
    lock.execute(&mut *transaction).await?;
    // PostgreSQL requires the privilege to create even if `IF NOT EXISTS` finds nothing to do. All tables are created
    // in one transaction, so the last one proves the others.
    let exist: bool = sqlx::query_scalar("SELECT to_regclass('shared_session_index_deadline') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await?;
    if !exist {
        sqlx::raw_sql(statements::POSTGRES_TABLES).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
