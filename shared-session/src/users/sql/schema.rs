//! The tables: their names and statements, how they are made, and how those of a Django site are recognised.

use std::{borrow::Cow, sync::Arc};

use sqlx::{AssertSqlSafe, Row};

use super::{Pool, SqlUsers, on_pool, within};
#[cfg(feature = "django")]
use crate::zone::TimeZone;
use crate::{Error, ErrorKind, users::User};

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

const AUTH_USER: &str = "auth_user";
const USER_COLUMNS: [&str; 11] = [
    "id",
    "password",
    "last_login",
    "is_superuser",
    "username",
    "first_name",
    "last_name",
    "email",
    "is_staff",
    "is_active",
    "date_joined",
];

/// Names and statements for one user table in one database.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) users: String,
    pub(super) user_groups: String,
    pub(super) user_permissions: String,
    /// The column of both that refers to the user.
    pub(super) user_column: String,
    /// `$1` as a value of the primary key.
    pub(super) id: &'static str,
    pub(super) now: Cow<'static, str>,
    /// `LIKE`, whatever the case.
    pub(super) like: &'static str,
    pub(super) select: String,
    pub(super) find: Arc<str>,
    pub(super) find_by_name: Arc<str>,
    pub(super) has_epochs: bool,
    key: Key,
    /// That of the times in the columns, if they are local.
    #[cfg(feature = "django")]
    pub(super) zone: Option<TimeZone>,
}

/// What the primary key is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Number,
    Uuid,
    /// A UUID without dashes, as Django stores it in SQLite.
    UuidText,
    Text,
}

impl Tables {
    /// `auth_user`, as [`SqlUsers::migrate`] makes it.
    pub(super) fn own(pool: &Pool) -> Self {
        Self::named(pool, AUTH_USER, "user_id", Key::Number, true)
    }

    /// `users` and `user_column` are checked identifiers.
    fn named(pool: &Pool, users: &str, user_column: &str, key: Key, has_epochs: bool) -> Self {
        let (now, like, joined, login) = match pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => (
                "strftime('%Y-%m-%d %H:%M:%f', 'now')",
                "LIKE",
                "CAST(strftime('%s', u.date_joined) AS INTEGER)",
                "CAST(strftime('%s', u.last_login) AS INTEGER)",
            ),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => (
                "clock_timestamp()",
                "ILIKE",
                "CAST(FLOOR(EXTRACT(EPOCH FROM u.date_joined)) AS BIGINT)",
                "CAST(FLOOR(EXTRACT(EPOCH FROM u.last_login)) AS BIGINT)",
            ),
        };
        let id = match key {
            Key::Number => "CAST($1 AS BIGINT)",
            Key::Uuid => "CAST($1 AS UUID)",
            Key::UuidText | Key::Text => "$1",
        };
        let (epoch, join) = if has_epochs {
            ("COALESCE(e.epoch, 0)", "LEFT JOIN shared_session_epoch e ON e.user_id = CAST(u.id AS TEXT)")
        } else {
            ("CAST(0 AS BIGINT)", "")
        };
        let select = format!(
            "SELECT CAST(u.id AS TEXT), u.username, u.password, u.email, u.first_name, u.last_name, u.is_active, \
             u.is_staff, u.is_superuser, {joined}, {login}, {epoch} FROM \"{users}\" u {join}"
        );
        Self {
            user_groups: format!("\"{users}_groups\""),
            user_permissions: format!("\"{users}_user_permissions\""),
            users: format!("\"{users}\""),
            user_column: format!("\"{user_column}\""),
            find: format!("{select} WHERE u.id = {id}").into(),
            find_by_name: format!("{select} WHERE u.username = $1").into(),
            id,
            now: now.into(),
            like,
            select,
            has_epochs,
            key,
            #[cfg(feature = "django")]
            zone: None,
        }
    }

    pub(super) fn numbers_keys(&self) -> bool {
        self.key == Key::Number
    }

    /// An id as the database stores it; `None` if no row can have it.
    pub(super) fn key(&self, id: &str) -> Option<String> {
        match self.key {
            Key::Number => id.parse::<i64>().ok().map(|number| number.to_string()).filter(|number| number == id),
            Key::Uuid => bare_uuid(id).map(|_| id.to_owned()),
            Key::UuidText => bare_uuid(id),
            Key::Text => (!id.contains('\0')).then(|| id.to_owned()),
        }
    }

    /// A user with the id as Django writes it into sessions, and points in time.
    pub(super) fn shown(&self, mut user: User) -> User {
        #[cfg(feature = "django")]
        if let Some(zone) = &self.zone {
            for time in [&mut user.date_joined, &mut user.last_login] {
                *time = time.map(|seconds| zone.instant_of_millis(seconds.saturating_mul(1000)).div_euclid(1000));
            }
        }
        if self.key == Key::UuidText && user.id.len() == 32 && user.id.is_ascii() {
            for at in [20, 16, 12, 8] {
                user.id.insert(at, '-');
            }
        }
        user
    }
}

impl SqlUsers {
    /// Makes the tables where they are missing. Safe to call at every start, from any number of services at once.
    ///
    /// They are those of Django 4.2 to 6.x, and Django is told which of its migrations they hold: a Django site that is
    /// pointed at the database goes on from there with a plain `manage.py migrate` (or `--fake-initial`). Where an
    /// `auth_user` exists already, only the side table `shared_session_epoch` is added.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database cannot be reached or refuses, for example for lack of rights.
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(pool) => retry_while_busy(|| migrate_sqlite(pool)).await,
            #[cfg(feature = "postgres")]
            Pool::Postgres(pool) => within(migrate_postgres(pool)).await,
        }
    }

    /// Uses the tables of a Django site, and creates nothing: do not call [`migrate`](Self::migrate). `user_table` is `auth_user` or the table of a custom user
    /// model that extends `AbstractUser`, with a number, UUID or text as its key `id`. Looks at the tables once.
    ///
    /// Give the session manager [`SecretKeys::django`](crate::SecretKeys::django) along with it: Django's tables have no
    /// epochs, so every epoch is 0 and raising one is refused.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a table or column is missing: run `manage.py migrate`.
    pub async fn with_django_tables(mut self, user_table: &str) -> Result<Self, Error> {
        if !is_identifier(user_table) {
            return Err(Error::new(ErrorKind::Config, "the name of the user table is not valid"));
        }
        let groups = format!("{user_table}_groups");
        let permissions = format!("{user_table}_user_permissions");
        let columns = self.columns(user_table).await?;
        if let Some(missing) = USER_COLUMNS.iter().find(|name| !columns.iter().any(|(column, _)| column == *name)) {
            let message = format!("the table {user_table} or its column {missing} is missing: run manage.py migrate");
            return Err(Error::new(ErrorKind::Config, message));
        }
        for table in [&*permissions, "auth_group", "auth_permission", "auth_group_permissions", "django_content_type"] {
            if self.columns(table).await?.is_empty() {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the table {table} is missing: run manage.py migrate"),
                ));
            }
        }
        // Named after the model, which the table's name does not tell.
        let user_column = self.columns(&groups).await?.into_iter().find(|(name, _)| name != "id" && name != "group_id");
        let Some((user_column, _)) = user_column.filter(|(name, _)| is_identifier(name)) else {
            return Err(Error::new(ErrorKind::Config, format!("the table {groups} is missing: run manage.py migrate")));
        };
        let kind = columns.iter().find(|(name, _)| name == "id").map_or("", |(_, kind)| kind);
        let key = match kind {
            kind if kind.contains("int") => Key::Number,
            "uuid" => Key::Uuid,
            "char(32)" => Key::UuidText,
            _ => Key::Text,
        };
        self.tables = Arc::new(Tables::named(&self.pool, user_table, &user_column, key, false));
        Ok(self)
    }

    /// Names and types of a table's columns; none if it is missing.
    async fn columns(&self, table: &str) -> Result<Vec<(String, String)>, Error> {
        let (sql, table) = match &self.pool {
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => ("SELECT name, lower(type) FROM pragma_table_info($1)", table.to_owned()),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => (
                "SELECT CAST(attname AS TEXT), format_type(atttypid, NULL) FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
                format!("\"{table}\""),
            ),
        };
        on_pool!(self, pool => within(async {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(table).fetch_all(pool).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        }).await)
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
    let exists = "SELECT to_regclass($1) IS NOT NULL";
    let has_users: bool = sqlx::query_scalar(exists).bind(AUTH_USER).fetch_one(&mut *transaction).await?;
    let has_history: bool = sqlx::query_scalar(exists).bind("django_migrations").fetch_one(&mut *transaction).await?;
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
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut *transaction).await?;
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

/// The 32 digits of a UUID that is written with dashes.
fn bare_uuid(id: &str) -> Option<String> {
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    is_uuid.then(|| id.replace('-', ""))
}

/// Names that need no escaping inside quotes, as long as PostgreSQL's may be.
fn is_identifier(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

    use super::*;

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
