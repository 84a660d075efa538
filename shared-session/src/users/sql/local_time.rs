//! Users in the tables of a Django site that stores local times.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::within;
use super::{Pool, SqlUsers, schema::Tables};
use crate::{Error, zone::TimeZone};

impl SqlUsers {
    /// The zone of the local times in `date_joined` and `last_login`: Django's `TIME_ZONE` if its `USE_TZ` is `False`.
    /// Default: none; times are in UTC. Call it after [`with_django_tables`](Self::with_django_tables).
    ///
    /// It decides for SQLite, and in PostgreSQL for columns that somebody made `timestamp without time zone`.
    /// PostgreSQL's `timestamp with time zone`, which is what Django makes, holds points in time whatever the zone: then
    /// nothing changes. Looks at the table once.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database cannot be reached.
    pub async fn with_time_zone(mut self, zone: TimeZone) -> Result<Self, Error> {
        let now = match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => format!("strftime('%Y-%m-%d %H:%M:%f', 'now', {})", zone.sqlite_offset()),
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) if has_local_times(pool, &self.tables.users).await? => {
                format!("clock_timestamp() AT TIME ZONE '{}'", zone.name())
            }
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => return Ok(self),
        };
        let mut tables = Tables::clone(&self.tables);
        tables.now = now.into();
        tables.zone = Some(zone);
        self.tables = Arc::new(tables);
        Ok(self)
    }
}

/// Whether a table has a column of times without an offset.
#[cfg(feature = "postgres")]
async fn has_local_times(pool: &sqlx::PgPool, table: &str) -> Result<bool, Error> {
    let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) \
               AND attname IN ('date_joined', 'last_login') AND atttypid = 'timestamp'::regtype";
    let found = async { sqlx::query_scalar::<_, i64>(sql).bind(table).fetch_one(pool).await };
    Ok(within(found).await? > 0)
}
