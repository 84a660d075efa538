//! Sessions in the table of a Django site.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    django::zone::TimeZone,
    error::{Error, ErrorKind},
    sql::error::sqlite_code,
    store::{
        Deleted, Page, Replaced, Seen, SessionStore, StoreTime,
        sql::{
            database::{Database, Pool, milliseconds, over_a_database, reading, writing},
            failure,
            failure::QueryFailure,
            file::File,
        },
    },
};

mod statements;

use statements::{STATEMENTS, Statements};

/// Sessions in the table `django_session` of a SQLite or PostgreSQL database, as read and written by Django's session
/// engine `db`. Features `django` and `sqlite` or `postgres`.
///
/// - A key is a bare session key, as in the cookie, of at most 40 characters; a value is the text of the column
///   `session_data`. Other bytes are [`ErrorKind::Value`].
/// - The store never creates a database or a table, because both belong to Django. [`check`](Self::check) reports
///   missing ones.
/// - Every operation is one statement on one row; a conflict costs one more, to read the current text.
///   [`replace`](SessionStore::replace) compares the whole text, because no part of it identifies the version.
/// - Lifetimes use the database's clock and become `expire_date`. Expired rows are absent but stay until
///   [`purge_expired`](SessionStore::purge_expired), which does the same as `manage.py clearsessions`.
/// - Django writes without comparing. Writes of this store never overwrite an unseen version. Django's writes do, as
///   between two of Django's own processes.
/// - SQLite keeps times as text, without an offset. With `USE_TZ = True` (the default from Django 5.0) Django writes
///   them in UTC, and this store reads them as UTC. With `USE_TZ = False` they are local times, as are those of a
///   column `timestamp without time zone` in PostgreSQL: use [`with_time_zone`](Self::with_time_zone).
///
/// **The table cannot hold an index of a user's sessions.** [`index_add`](SessionStore::index_add) and
/// [`index_remove`](SessionStore::index_remove) do nothing, and [`index_list`](SessionStore::index_list) returns the
/// keys of *all* live sessions, for any index. Each session has to be read to check its user, so listing or revoking
/// one user's sessions reads the whole table: fine for thousands of sessions, not for millions. Django itself ends a
/// user's sessions by the auth hash, without a list.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> Result<(), shared_session::Error> {
/// use shared_session::{django::DjangoDbStore, store::SessionStore};
///
/// let store = DjangoDbStore::connect("postgres://site@localhost/site").await?;
/// store.check().await?;
/// assert_eq!(store.load("no such session").await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DjangoDbStore {
    database: Database<Statements>,
    /// The zone of `expire_date`, if that holds local times.
    zone: Option<TimeZone>,
}

impl DjangoDbStore {
    /// Connects to a `sqlite:` or `postgres:` URL. A SQLite file must exist, and keeps its journal mode.
    ///
    /// The pool has up to 10 connections (SQLite: 8). A caller waits up to 2 s for one, and with SQLite up to 5 s for
    /// another writer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for an unsupported URL, a URL whose feature is off, or a SQLite file that cannot be
    /// opened; [`ErrorKind::Unavailable`] if the database does not answer.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Database::connect(url, File::Foreign, &STATEMENTS).await.map(Self::over)
    }

    fn over(database: Database<Statements>) -> Self {
        Self { database, zone: None }
    }

    /// Sets the zone of the local times in `expire_date`: Django's `TIME_ZONE` if its `USE_TZ` is `False`, or the
    /// `TIME_ZONE` of that database if it has one. Default: none; times are in UTC.
    ///
    /// It applies to SQLite, and in PostgreSQL to a column that was changed to `timestamp without time zone` (use UTC
    /// with `USE_TZ = True`). PostgreSQL's `timestamp with time zone`, which Django creates, stores points in time, so
    /// the setting has no effect on it. With local times, a write first reads the database's time. Inspects the table
    /// once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the database does not answer.
    pub async fn with_time_zone(mut self, zone: TimeZone) -> Result<Self, Error> {
        if self.holds_local_times().await? {
            self.database.sql = statements::in_zone(&self.database.pool, &zone);
            self.zone = Some(zone);
        }
        Ok(self)
    }

    /// Whether the type of `expire_date` has no offset.
    async fn holds_local_times(&self) -> Result<bool, Error> {
        match &self.database.pool {
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => {
                let sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('django_session') \
                           AND attname = 'expire_date' AND atttypid = 'timestamp'::regtype";
                reading!(self.database, |connection, keeps| {
                    Ok(sqlx::query_scalar::<_, i64>(sql).persistent(keeps).fetch_one(&mut *connection).await? > 0)
                })
                .await
            }
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => Ok(true),
        }
    }

    /// The parameter for a lifetime: the milliseconds from now in UTC until the end as stored.
    async fn lifetime(&self, ttl: Duration) -> Result<i64, Error> {
        let lifetime = milliseconds(ttl);
        let Some(zone) = &self.zone else { return Ok(lifetime) };
        let now = self.database.time().await?;
        Ok(lifetime + 1000 * zone.offset_of_end(now, now.after(Duration::from_millis(lifetime.unsigned_abs()))))
    }

    /// Checks that the table and its columns exist, and that the zone of its times is known. One round trip, two with
    /// PostgreSQL; call it when the service starts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if any of them is missing: run `manage.py migrate`; or if PostgreSQL's column
    /// `expire_date` has no time zone and [`with_time_zone`](Self::with_time_zone) was not called.
    /// [`ErrorKind::Unavailable`] if the database does not answer or refuses access to the table.
    pub async fn check(&self) -> Result<(), Error> {
        let found = reading!(self.database, |connection, keeps| {
            match sqlx::query(self.database.sql.check).persistent(keeps).execute(&mut *connection).await {
                Ok(_) => Ok(true),
                Err(error) if is_missing(&error) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        if !found {
            return Err(failure::config(
                "the table django_session or one of its columns is missing: run manage.py migrate",
            ));
        }
        // In SQLite all times are text.
        if self.zone.is_none() && self.database.kind() == "postgres" && self.holds_local_times().await? {
            return Err(failure::config(
                "the column expire_date of django_session has no time zone: configure the zone of its times \
                 (with_time_zone; DJANGO_TIME_ZONE of the example services)",
            ));
        }
        Ok(())
    }

    /// Whether the live row of `key` holds exactly `value`. One round trip.
    #[cfg(feature = "redis")]
    pub(crate) async fn holds(&self, key: &str, value: &Bytes) -> Result<bool, Error> {
        reading!(self.database, |connection, keeps| {
            let query =
                sqlx::query_scalar::<_, i64>(self.database.sql.holds).persistent(keeps).bind(key).bind(&value[..]);
            Ok(query.fetch_one(&mut *connection).await? > 0)
        })
        .await
    }
}

over_a_database!(DjangoDbStore, &STATEMENTS);

impl SessionStore for DjangoDbStore {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.database.load(key).await
    }

    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        let (text, lifetime) = (text(&value)?, self.lifetime(ttl).await?);
        writing!(self.database, |connection, keeps| {
            let query = sqlx::query(self.database.sql.create).persistent(keeps).bind(key).bind(text).bind(lifetime);
            Ok(query.execute(&mut *connection).await?.rows_affected() > 0)
        })
        .await
    }

    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        let text = text(&value)?;
        let (sql, lifetime) = (self.database.sql, self.lifetime(ttl).await?);
        writing!(self.database, |connection, keeps| {
            let query = sqlx::query(sql.replace).persistent(keeps);
            let query = query.bind(key).bind(text).bind(lifetime).bind(&seen.whole()[..]);
            if query.execute(&mut *connection).await?.rows_affected() > 0 {
                return Ok(Replaced::Stored);
            }
            // From here on the write has certainly not happened.
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
        self.database.purge_expired().await
    }

    /// Does nothing: the table cannot store an index.
    async fn index_add(&self, _index: &str, _member: &str, _deadline: StoreTime) -> Result<(), Error> {
        Ok(())
    }

    /// The keys of all live sessions, of any user. One round trip for each 500.
    async fn index_list(&self, _index: &str) -> Result<Vec<String>, Error> {
        let mut page = self.scan("", None).await?;
        let mut keys = std::mem::take(&mut page.keys);
        while let Some(next) = page.next {
            page = self.scan("", Some(&next)).await?;
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// Does nothing: the table cannot store an index.
    async fn index_remove(&self, _index: &str, _members: &[String]) -> Result<(), Error> {
        Ok(())
    }

    async fn time(&self) -> Result<StoreTime, Error> {
        self.database.time().await
    }

    /// The value of `expire_date`, in the zone of [`with_time_zone`](Self::with_time_zone). One round trip.
    async fn expires(&self, key: &str) -> Result<Option<StoreTime>, Error> {
        let millis = reading!(self.database, |connection, keeps| {
            let query = sqlx::query_scalar::<_, i64>(self.database.sql.expires).persistent(keeps).bind(key);
            Ok(query.fetch_optional(&mut *connection).await?)
        })
        .await?;
        Ok(millis.map(|millis| {
            let instant = self.zone.as_ref().map_or(millis, |zone| zone.instant_of_millis(millis));
            StoreTime(u64::try_from(instant).unwrap_or_default())
        }))
    }
}

/// The column is of type text, and a text of PostgreSQL cannot contain NUL.
fn text(value: &Bytes) -> Result<&str, Error> {
    let text = std::str::from_utf8(value).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| Error::new(ErrorKind::Value, "a session in Django's table must be text"))
}

/// Whether a table or column is missing. SQLite has no separate code for that. Its general error means it here, because
/// a statement without parameters or rows cannot fail that way for another reason.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    matches!(&*code, "42P01" | "42703") || sqlite_code(&code) == Some(1)
}
