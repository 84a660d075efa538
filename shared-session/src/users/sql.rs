//! [`SqlUsers`]: users in the tables that Django uses, in SQLite or PostgreSQL.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row, Type};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, postgres::PgPoolOptions};
#[cfg(feature = "sqlite")]
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};

use tokio::sync::OnceCell;

use super::{
    User, Users,
    password::{PasswordHasher, scheme_of},
    verify::{self, hash_password},
};
use crate::{Error, ErrorKind};

#[cfg(feature = "django")]
mod local_time;
mod manage;
mod schema;

pub use manage::{CreateUserError, NewUser};
use schema::Tables;

/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one statement may take, the wait for a connection or for SQLite's write lock included.
const DEADLINE: Duration = Duration::from_secs(10);
#[cfg(feature = "sqlite")]
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many users' hashes are looked at to learn what refusals must cost.
const SURVEYED: u32 = 500;

/// Users in the tables that Django uses: `auth_user`, its groups and permissions.
///
/// The tables can be Django's ([`with_django_tables`](Self::with_django_tables)) or made here
/// ([`migrate`](Self::migrate)), exactly as Django makes them, so that a Django site can take them over later. Then one
/// table more is ours, `shared_session_epoch`. Clones share one pool.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_session::users::{CreateUserError, NewUser, SqlUsers, Users};
///
/// let users = SqlUsers::connect("sqlite::memory:").await?;
/// users.migrate().await?;
/// let ann = users.create_user(NewUser::new("ann", "correct horse").with_email("ann@example.org")).await?;
/// let again = users.create_user(NewUser::new("ann", "another")).await;
/// assert!(matches!(again, Err(CreateUserError::NameTaken)));
///
/// assert_eq!(users.find(&ann.id).await?, Some(ann));
/// assert_eq!(users.find("no such id").await?, None);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SqlUsers {
    pool: Pool,
    tables: Arc<Tables>,
    hasher: PasswordHasher,
    /// Whether the costs of stored hashes have been learned.
    surveyed: Arc<OnceCell<()>>,
}

#[derive(Clone)]
enum Pool {
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// Runs the same expression on whichever pool there is.
macro_rules! on_pool {
    ($users:expr, $pool:ident => $body:expr) => {
        match &$users.pool {
            #[cfg(feature = "sqlite")]
            $crate::users::sql::Pool::Sqlite($pool) => $body,
            #[cfg(feature = "postgres")]
            $crate::users::sql::Pool::Postgres($pool) => $body,
        }
    };
}
use on_pool;

impl SqlUsers {
    /// Connects to `sqlite://path`, `sqlite::memory:` or `postgres://...`.
    ///
    /// A SQLite file is created if missing, switched to write-ahead logging (readers and the writer do not block each
    /// other), and a writer waits up to 5 s for another. A memory database lives as long as the pool, on one
    /// connection. PostgreSQL gets up to 10 connections; a request waits up to 2 s for one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another URL, or a database whose feature is not compiled in;
    /// [`ErrorKind::Unavailable`] if the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        match url.split(':').next() {
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Self::connect_sqlite(url).await,
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => {
                let options = PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
                Ok(Self::from_postgres(within(options.connect(url)).await?))
            }
            _ => Err(Error::new(ErrorKind::Config, "the users need a sqlite: or postgres: URL, with its feature")),
        }
    }

    #[cfg(feature = "sqlite")]
    async fn connect_sqlite(url: &str) -> Result<Self, Error> {
        let options = url.parse::<sqlx::sqlite::SqliteConnectOptions>().map_err(failed)?;
        let options = options.create_if_missing(true).busy_timeout(BUSY_TIMEOUT).foreign_keys(true);
        let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = if url.contains(":memory:") || url.contains("mode=memory") {
            pool.max_connections(1).idle_timeout(None).max_lifetime(None)
        } else {
            schema::switch_to_wal(&options).await?;
            pool
        };
        Ok(Self::from_sqlite(within(pool.connect_with(options)).await?))
    }

    /// Uses a pool of yours. Give it write-ahead logging and a busy timeout, as [`connect`](Self::connect) does.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn from_sqlite(pool: SqlitePool) -> Self {
        Self::new(Pool::Sqlite(pool))
    }

    /// Uses a pool of yours. Give it an acquire timeout of a few seconds; sqlx's own is 30 s.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn from_postgres(pool: PgPool) -> Self {
        Self::new(Pool::Postgres(pool))
    }

    fn new(pool: Pool) -> Self {
        let tables = Arc::new(Tables::own(&pool));
        Self { pool, tables, hasher: PasswordHasher::default(), surveyed: Arc::default() }
    }

    /// Sets how new passwords are hashed. Default: argon2id. In a fleet with Django take
    /// [`PasswordHasher::pbkdf2_sha256`], which Django verifies without further packages.
    #[must_use]
    pub fn with_hasher(mut self, hasher: PasswordHasher) -> Self {
        self.hasher = hasher;
        self
    }

    /// Asks the database for an answer, for a readiness check. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if there is none.
    pub async fn ping(&self) -> Result<(), Error> {
        on_pool!(self, pool => within(async { sqlx::query("SELECT 1").execute(pool).await.map(drop) }).await)
    }

    /// Learns once what the hashes of some users cost, so that already the first refusal costs as much. A table that
    /// cannot be read now is looked at again the next time; until then a dear hash is learned when it is met.
    async fn survey(&self) {
        let looked = self.surveyed.get_or_try_init(async || {
            let users = self.list("", 0, SURVEYED).await?;
            verify::learn(users.iter().filter_map(|user| scheme_of(user.encoded_password())));
            Ok::<_, Error>(())
        });
        if let Err(error) = looked.await {
            tracing::debug!(%error, "what the stored passwords cost is not known yet");
        }
    }

    /// The names in one column that `sql` answers for the user's id.
    async fn for_user(&self, sql: String, id: &str) -> Result<Vec<String>, Error> {
        on_pool!(self, pool => within(async {
            let rows = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_all(pool).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        }).await)
    }

    /// One user, by what `$1` of a prepared statement of [`Tables`] compares.
    async fn one(&self, sql: &Arc<str>, value: &str) -> Result<Option<User>, Error> {
        let sql = AssertSqlSafe(Arc::clone(sql));
        on_pool!(self, pool => within(async {
            sqlx::query(sql).bind(value).fetch_optional(pool).await?.map(|row| read_user(&row)).transpose()
        }).await)
        .map(|user| user.map(|user| self.tables.shown(user)))
    }
}

impl fmt::Debug for SqlUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlUsers").field("hasher", &self.hasher).finish_non_exhaustive()
    }
}

impl Users for SqlUsers {
    async fn find(&self, id: &str) -> Result<Option<User>, Error> {
        match self.tables.key(id) {
            Some(key) => self.one(&self.tables.find, &key).await,
            None => Ok(None),
        }
    }

    /// Names are stored in [NFKC](super::normalized_name), so they are looked up in it.
    async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        // PostgreSQL refuses a text with a zero byte.
        if name.contains('\0') {
            return Ok(None);
        }
        self.one(&self.tables.find_by_name, &super::normalized_name(name)).await
    }

    /// As [`Users::verify`]. The first call also reads some hundred users, to learn what their hashes cost.
    async fn verify(&self, name: &str, password: &str) -> Result<Option<User>, Error> {
        let user = self.find_by_name(name).await?;
        self.survey().await;
        verify::verify_user(user, password, self.hasher).await
    }

    fn hasher(&self) -> PasswordHasher {
        self.hasher
    }

    async fn set_password(&self, id: &str, password: &str) -> Result<Option<User>, Error> {
        let Some(key) = self.tables.key(id) else { return Ok(None) };
        let encoded = hash_password(self.hasher, password).await?;
        let sql = format!("UPDATE {} SET password = $2 WHERE id = {}", self.tables.users, self.tables.id);
        on_pool!(self, pool => within(async {
            sqlx::query(AssertSqlSafe(sql)).bind(key).bind(encoded).execute(pool).await.map(drop)
        }).await)?;
        self.find(id).await
    }

    /// For an id of no user it raises nothing and answers 0. The tables of a Django site have no epochs: there it is
    /// refused with [`ErrorKind::Config`].
    async fn raise_epoch(&self, id: &str) -> Result<i64, Error> {
        if !self.tables.has_epochs {
            return Err(Error::new(ErrorKind::Config, "the tables of a Django site have no epochs"));
        }
        let Some(key) = self.tables.key(id) else { return Ok(0) };
        let sql = format!(
            "INSERT INTO shared_session_epoch (user_id, epoch) SELECT CAST(id AS TEXT), 1 FROM {} WHERE id = {} \
             ON CONFLICT (user_id) DO UPDATE SET epoch = shared_session_epoch.epoch + 1 RETURNING epoch",
            self.tables.users, self.tables.id
        );
        let raised: Option<i64> = on_pool!(self, pool => within(async {
            let row = sqlx::query(AssertSqlSafe(sql)).bind(key).fetch_optional(pool).await?;
            row.map(|row| row.try_get(0)).transpose()
        }).await)?;
        Ok(raised.unwrap_or(0))
    }

    /// Django's rules: an inactive user has none, a superuser has all that exist.
    async fn permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        let Some(key) = self.tables.key(&user.id).filter(|_| user.is_active) else { return Ok(BTreeSet::new()) };
        let granted = if user.is_superuser {
            "$1 = $1".to_owned()
        } else {
            let Tables { user_permissions, user_groups, user_column, id, .. } = &*self.tables;
            format!(
                "p.id IN (SELECT permission_id FROM {user_permissions} WHERE {user_column} = {id} \
                 UNION SELECT gp.permission_id FROM auth_group_permissions gp \
                 JOIN {user_groups} ug ON ug.group_id = gp.group_id WHERE ug.{user_column} = {id})"
            )
        };
        let sql = format!(
            "SELECT ct.app_label || '.' || p.codename FROM auth_permission p \
             JOIN django_content_type ct ON ct.id = p.content_type_id WHERE {granted}"
        );
        Ok(self.for_user(sql, &key).await?.into_iter().collect())
    }

    async fn groups(&self, user: &User) -> Result<Vec<String>, Error> {
        let Some(key) = self.tables.key(&user.id) else { return Ok(Vec::new()) };
        let Tables { user_groups, user_column, id, .. } = &*self.tables;
        let sql = format!(
            "SELECT g.name FROM auth_group g JOIN {user_groups} ug ON ug.group_id = g.id \
             WHERE ug.{user_column} = {id} ORDER BY g.name"
        );
        self.for_user(sql, &key).await
    }
}

/// Reads the columns of [`Tables::select`].
fn read_user<'r, R>(row: &'r R) -> sqlx::Result<User>
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let password: String = row.try_get(2)?;
    let mut user =
        User::new(row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?).with_encoded_password(password);
    user.email = row.try_get(3)?;
    user.first_name = row.try_get(4)?;
    user.last_name = row.try_get(5)?;
    user.is_active = row.try_get(6)?;
    user.is_staff = row.try_get(7)?;
    user.is_superuser = row.try_get(8)?;
    user.date_joined = row.try_get(9)?;
    user.last_login = row.try_get(10)?;
    user.epoch = row.try_get(11)?;
    Ok(user)
}

/// Bounds the work and translates its error.
async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(result) => result.map_err(failed),
        Err(late) => {
            Err(Error::new(ErrorKind::Unavailable, "the user database did not answer in time").with_source(late))
        }
    }
}

/// Drivers quote values in what they say of bad or conflicting data (SQLSTATE classes 22 and 23), so of those only the
/// code is kept.
fn failed(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let quotes_values = code.starts_with("22") || code.starts_with("23") || error.constraint().is_some();
            let what = if quotes_values { "the data" } else { error.message() };
            Error::new(ErrorKind::Unavailable, format!("the user database refused: {what} (code {code})"))
        }
        sqlx::Error::Configuration(source) => {
            Error::new(ErrorKind::Config, "the URL of the user database is not valid").with_source(source)
        }
        error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
            Error::new(ErrorKind::Unreadable, "a column of the user table has another type").with_source(error)
        }
        error => Error::new(ErrorKind::Unavailable, "the user database cannot be reached").with_source(error),
    }
}
