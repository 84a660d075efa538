//! A store in a table of the library's own.

use std::time::Duration;

use bytes::Bytes;

use super::{Deleted, Page, Replaced, Seen, SessionStore, StoreTime};
use crate::error::Error;

pub(crate) mod database;
pub(crate) mod failure;
pub(crate) mod file;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;

use database::{Database, Pool, length, milliseconds, over_a_database, position, reading, writing};
use failure::QueryFailure;
use file::File;
use statements::{STATEMENTS, Statements};

/// Sessions in SQLite or PostgreSQL. Features `sqlite`, `postgres`.
///
/// - Every operation is one statement on one key; a conflict costs one more, to read the current bytes.
/// - The database's clock decides every lifetime, in the statement itself. PostgreSQL uses the server's clock, so
///   services whose clocks differ agree. SQLite has no server: it uses the machine's clock, and setting that shifts
///   every lifetime.
/// - Expired rows are absent but stay until [`purge_expired`](SessionStore::purge_expired): run
///   [`spawn_purge`](Self::spawn_purge) in one service at least.
/// - A failed operation is [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), also a deadlock or a
///   serialization failure; a permanent error of the statement, the schema or the privileges is
///   [`ErrorKind::Database`](crate::ErrorKind::Database).
/// - With PostgreSQL a read moves to another connection if its own is broken, and a prepared statement that a migration
///   or `DISCARD` has made unusable is prepared again; nothing else is retried.
/// - Keys and index members contain no NUL byte, because PostgreSQL refuses it.
///
/// The tables are `shared_session (session_key, value, expires_at)` and `shared_session_index (index_key, member,
/// deadline)`, times in milliseconds since the Unix epoch; [`migrate`](Self::migrate) creates them.
///
/// Connecting detects a pooler that switches servers between transactions (PgBouncer). Every operation is then a
/// separate transaction, which costs two to three more round trips.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main] async fn main() -> Result<(), shared_session::Error> {
/// use std::time::Duration;
/// use shared_session::store::{SessionStore, SqlStore};
///
/// let store = SqlStore::connect("sqlite::memory:").await?;
/// store.migrate().await?;
/// assert!(store.create("key", "value".into(), Duration::from_secs(60)).await?);
/// assert!(!store.create("key", "other".into(), Duration::from_secs(60)).await?);
/// # Ok(()) }
/// # #[cfg(not(feature = "sqlite"))] fn main() {}
/// ```
#[derive(Clone)]
pub struct SqlStore {
    database: Database<Statements>,
}

impl SqlStore {
    /// Connects to a `sqlite:` or `postgres:` URL. Creates the SQLite file if it is missing, never a table: call
    /// [`migrate`](Self::migrate).
    ///
    /// With the feature `postgres-tls` a PostgreSQL URL takes `sslmode`, `sslrootcert`, `sslcert` and `sslkey` as libpq
    /// does: the default, `prefer`, uses TLS if the server has it. Without the feature, an `sslmode` that requires TLS
    /// is an error.
    ///
    /// The pool has up to 10 connections (SQLite: 8; in memory: 1). A caller waits up to 2 s for one. SQLite runs in
    /// WAL mode with `synchronous = NORMAL`, where a crash of the process loses nothing and a crash of the machine
    /// may lose the last writes, and waits up to 5 s for another writer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a URL that is not understood or whose feature is off;
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database does not answer.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Database::connect(url, File::Own, &STATEMENTS).await.map(Self::over)
    }

    fn over(database: Database<Statements>) -> Self {
        Self { database }
    }

    /// Creates the tables that are missing. Any number of processes may call it at once. If the tables exist, it needs
    /// no privilege to create any.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database refuses or does not answer.
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.database.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(postgres) => postgres::migrate(&postgres.pool).await,
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => sqlite::migrate(pool, statements::SQLITE_TABLES).await,
        }
    }

    /// Calls [`purge_expired`](SessionStore::purge_expired) now and every `interval` on a separate task, which ends
    /// when the pool is closed or the handle is aborted. A few minutes are a good interval. A failure is logged, and
    /// the next run comes after the interval.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn spawn_purge(&self, interval: Duration) -> tokio::task::JoinHandle<()> {
        let store = self.clone();
        tokio::spawn(async move {
            loop {
                if store.database.is_closed() {
                    return;
                }
                match store.purge_expired().await {
                    Ok(purged) => tracing::debug!(purged, "purged expired sessions"),
                    Err(error) => tracing::warn!(%error, "could not purge expired sessions"),
                }
                tokio::time::sleep(interval).await;
            }
        })
    }

    /// The bytes under `key`, and their remaining lifetime. One round trip.
    #[cfg(feature = "redis")]
    pub(super) async fn load_with_lifetime(&self, key: &str) -> Result<Option<(Bytes, Duration)>, Error> {
        let found = reading!(self.database, |connection, keeps| {
            let query = sqlx::query_as::<_, (Vec<u8>, i64)>(self.database.sql.load_with_lifetime);
            let query = query.persistent(keeps).bind(key);
            Ok(query.fetch_optional(&mut *connection).await?)
        })
        .await?;
        let lifetime = |left| Duration::from_millis(u64::try_from(left).unwrap_or_default());
        Ok(found.map(|(value, left)| (value.into(), lifetime(left))))
    }
}

over_a_database!(SqlStore, &STATEMENTS);

/// Writes go through `execute`, which returns once the database has committed; a row from `RETURNING` could be read
/// before that.
impl SessionStore for SqlStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.database.load(key).await
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        writing!(self.database, |connection, keeps| {
            let query = sqlx::query(self.database.sql.create)
                .persistent(keeps)
                .bind(key)
                .bind(&value[..])
                .bind(milliseconds(ttl));
            Ok(query.execute(&mut *connection).await?.rows_affected() > 0)
        })
        .await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let sql = self.database.sql;
        writing!(self.database, |connection, keeps| {
            let query = sqlx::query(sql.replace).persistent(keeps).bind(key).bind(&value[..]).bind(milliseconds(ttl));
            let query = query.bind(position(seen)).bind(length(seen)).bind(seen.part());
            if query.execute(&mut *connection).await?.rows_affected() > 0 {
                return Ok(Replaced::Stored);
            }
            // From here on it is certain that nothing was written. If the row matches now, it still counts as a
            // conflict, and the caller tries again.
            let query = sqlx::query_scalar::<_, Vec<u8>>(sql.common.load).persistent(keeps).bind(key);
            let current = query.fetch_optional(&mut *connection).await.map_err(QueryFailure::NotSent)?;
            Ok(current.map_or(Replaced::Gone, |value| Replaced::Conflict(value.into())))
        })
        .await
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.database.delete(key, seen).await
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.database.scan(prefix, from).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        Ok(self.database.purge_expired().await? + self.database.purge(self.database.sql.purge_index).await?)
    }

    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        let deadline = i64::try_from(deadline.0).unwrap_or(i64::MAX);
        writing!(self.database, |connection, keeps| {
            let query =
                sqlx::query(self.database.sql.index_add).persistent(keeps).bind(index).bind(member).bind(deadline);
            query.execute(&mut *connection).await?;
            Ok(())
        })
        .await
    }

    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        reading!(self.database, |connection, keeps| {
            let query = sqlx::query_scalar(self.database.sql.index_list).persistent(keeps).bind(index);
            Ok(query.fetch_all(&mut *connection).await?)
        })
        .await
    }

    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        if members.is_empty() {
            return Ok(());
        }
        // Both databases unpack a JSON array; only PostgreSQL has other arrays.
        let members = serde_json::Value::from(members).to_string();
        writing!(self.database, |connection, keeps| {
            let query = sqlx::query(self.database.sql.index_remove).persistent(keeps).bind(index).bind(&members);
            query.execute(&mut *connection).await?;
            Ok(())
        })
        .await
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.database.time().await
    }
}
