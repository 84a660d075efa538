//! Sessions in the table of a Django site.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::{
    database::{Database, File, milliseconds, on_connection},
    failure::{self, Failure, sqlite_code},
};
use crate::{
    Error, ErrorKind,
    store::{Deleted, Page, Replaced, Seen, SessionStore, StoreTime},
};

mod statements;

use statements::{STATEMENTS, Statements};

/// Sessions in the table `django_session` of a SQLite or PostgreSQL database: what Django's session engine `db`
/// reads and writes. Features `django` and `sqlite` or `postgres`.
///
/// - A key is a bare session key, as in the cookie, of at most 40 characters; a value is the text of the column
///   `session_data`. Other bytes are [`ErrorKind::Value`].
/// - Nothing is ever created: the database and its table are Django's. [`check`](Self::check) says if they are missing.
/// - Every operation is one statement on one row; a conflict costs one more, to read the current text. Only
///   [`replace`](SessionStore::replace) compares the whole text, as it holds no part that names its version.
/// - Lifetimes go by the database's clock and become `expire_date`. Expired rows are absent but stay until
///   [`purge_expired`](SessionStore::purge_expired), which does what `manage.py clearsessions` does.
/// - Django writes without comparing. A write of ours never overwrites what it has not seen; one of Django's does,
///   as it does between two of Django's own processes.
/// - In SQLite Django keeps times as text. This store reads and writes them in UTC, so Django must have
///   `USE_TZ = True` (its default from 5.0) and no `TIME_ZONE` of its own for that database.
///
/// **The table has no place for an index of a user's sessions.** [`index_add`](SessionStore::index_add) and
/// [`index_remove`](SessionStore::index_remove) do nothing, and [`index_list`](SessionStore::index_list) answers the
/// keys of *all* live sessions, whatever the index. The user of each has to be checked by reading it, so a list of one
/// user's sessions, and revoking them, reads the whole table: fine for thousands of sessions, not for millions. Django
/// itself ends a user's sessions by the auth hash, without a list.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> Result<(), shared_session::Error> {
/// use shared_session::store::{DjangoDbStore, SessionStore};
///
/// let store = DjangoDbStore::connect("postgres://site@localhost/site").await?;
/// store.check().await?;
/// assert_eq!(store.load("no such session").await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DjangoDbStore {
    database: Database<Statements>,
}

impl DjangoDbStore {
    /// Connects to a `sqlite:` or `postgres:` URL. A SQLite file must exist, and keeps its journal mode.
    ///
    /// The pool has up to 10 connections (SQLite: 8). A caller waits up to 2 s for one, and with SQLite up to 5 s for
    /// another writer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a URL that is not understood or whose feature is off, or a SQLite file that cannot be
    /// opened; [`ErrorKind::Unavailable`] if the database does not answer.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Ok(Self { database: Database::connect(url, File::Foreign, &STATEMENTS).await? })
    }

    /// Uses a pool of yours. Give it a busy timeout.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn from_sqlite(pool: sqlx::SqlitePool) -> Self {
        Self { database: Database::of_sqlite(pool, &STATEMENTS) }
    }

    /// Uses a pool of yours. The isolation level should be PostgreSQL's default, `READ COMMITTED`: stricter ones turn
    /// conflicts into errors.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn from_postgres(pool: sqlx::PgPool) -> Self {
        Self { database: Database::of_postgres(pool, &STATEMENTS) }
    }

    /// How long one operation may take before it is [`ErrorKind::Unavailable`], the wait for a connection included.
    /// Default: 8 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.database.timeout = timeout;
        self
    }

    /// Checks that the table is there, with its columns. One round trip; call it when the service starts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it is not: run `manage.py migrate`. [`ErrorKind::Unavailable`] if the database does not
    /// answer or refuses to show the table.
    pub async fn check(&self) -> Result<(), Error> {
        let found = async {
            on_connection!(self.database, |connection| {
                match sqlx::query(self.database.sql.check).execute(&mut *connection).await {
                    Ok(_) => Ok(true),
                    Err(error) if is_missing(&error) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            })
        };
        if self.database.read(found).await? {
            return Ok(());
        }
        Err(failure::config("the table django_session or one of its columns is missing: run manage.py migrate"))
    }

    /// Closes the pool, for all its users, once the operations under way have ended.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether the live row of `key` holds exactly `value`. One round trip.
    #[cfg(feature = "redis")]
    pub(in crate::store) async fn holds(&self, key: &str, value: &Bytes) -> Result<bool, Error> {
        let holds = async {
            on_connection!(self.database, |connection| {
                let query = sqlx::query_scalar::<_, i64>(self.database.sql.holds).bind(key).bind(&value[..]);
                Ok(query.fetch_one(&mut *connection).await? > 0)
            })
        };
        self.database.read(holds).await
    }
}

impl fmt::Debug for DjangoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoDbStore").field("kind", &self.database.kind()).finish_non_exhaustive()
    }
}

impl SessionStore for DjangoDbStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.database.load(key).await
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let text = text(&value)?;
        let create = async {
            on_connection!(self.database, |connection| {
                let query = sqlx::query(self.database.sql.create).bind(key).bind(text).bind(milliseconds(ttl));
                Ok(query.execute(&mut *connection).await?.rows_affected() > 0)
            })
        };
        self.database.write(create).await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let text = text(&value)?;
        let sql = self.database.sql;
        let replace = async {
            on_connection!(self.database, |connection| {
                let query = sqlx::query(sql.replace);
                let query = query.bind(key).bind(text).bind(milliseconds(ttl)).bind(&seen.whole()[..]);
                if query.execute(&mut *connection).await?.rows_affected() > 0 {
                    return Ok(Replaced::Stored);
                }
                // From here on it is decided that nothing was written.
                let query = sqlx::query_scalar::<_, Vec<u8>>(sql.common.load).bind(key);
                let current = query.fetch_optional(&mut *connection).await.map_err(Failure::NotSent)?;
                Ok(current.map_or(Replaced::Gone, |value| Replaced::Conflict(value.into())))
            })
        };
        self.database.write(replace).await
    }

    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.database.delete(key, seen).await
    }

    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        self.database.scan(prefix, from).await
    }

    async fn purge_expired(&self) -> Result<u64, Error> {
        self.database.purge_expired().await
    }

    /// Does nothing: the table has no place for it.
    async fn index_add(&self, _index: &str, _member: &str, _deadline: StoreTime) -> Result<(), Error> {
        Ok(())
    }

    /// The keys of all live sessions, of whatever user. One round trip for each 500.
    async fn index_list(&self, _index: &str) -> Result<Vec<String>, Error> {
        let mut page = self.scan("", None).await?;
        let mut keys = std::mem::take(&mut page.keys);
        while let Some(next) = page.next {
            page = self.scan("", Some(&next)).await?;
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// Does nothing: the table has no place for it.
    async fn index_remove(&self, _index: &str, _members: &[String]) -> Result<(), Error> {
        Ok(())
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.database.time().await
    }
}

/// The column holds text, and PostgreSQL's texts hold no NUL.
fn text(value: &Bytes) -> Result<&str, Error> {
    let text = std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| Error::new(ErrorKind::Value, "a session in Django's table must be text"))
}

/// Whether a table or column is missing. SQLite has no code of its own for that: its general error stands for it,
/// which a statement without parameters or rows has no other reason to answer.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    matches!(&*code, "42P01" | "42703") || sqlite_code(&code) == Some(1)
}
