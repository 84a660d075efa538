//! [`SqlUsers`]: users in the tables that Django uses, in SQLite or PostgreSQL.

#[cfg(feature = "sqlite")]
use std::time::Duration;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row, Type};
#[cfg(feature = "sqlite")]
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tokio::sync::OnceCell;

#[cfg(feature = "postgres")]
use crate::sql::postgres::Postgres;
use crate::{
    error::{Error, ErrorKind},
    users::{
        AuthUser, User, Users,
        cache::UserCache,
        password::{PasswordHasher, scheme_of},
        password_work,
    },
};

#[cfg(feature = "sqlite")]
mod busy;
mod cached_rows;
mod case;
mod column;
mod column_defaults;
mod create;
mod failure;
mod grants;
mod groups;
mod inspect;
mod manage;
mod new_user;
mod schema;
mod statements;
mod user_table;

use column::{Dialect, Kind};
#[cfg(feature = "sqlite")]
use failure::{failed, within};
pub use grants::{Group, Permission};
pub use groups::Renamed;
pub use new_user::{CreateUserError, NewUser};
use statements::Tables;
pub use user_table::UserTable;

/// How long a request waits for a connection.
#[cfg(feature = "sqlite")]
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
#[cfg(feature = "sqlite")]
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of user hashes in the sample that sets the cost of refusals.
const SURVEYED: u32 = 500;

/// Users in the tables that Django uses: `auth_user`, its groups and permissions.
///
/// The tables can be Django's ([`with_django_tables`](Self::with_django_tables)) or made here
/// ([`migrate`](Self::migrate)), exactly as Django makes them, so that a Django site can take them over later.
/// `migrate` adds one table of our own, `shared_session_epoch`. Clones share one pool.
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
    /// Replaced once, by the inspection of the tables at start-up.
    tables: Arc<RwLock<Arc<Tables>>>,
    hasher: PasswordHasher,
    /// Whether the costs of stored hashes have been learned.
    surveyed: Arc<OnceCell<()>>,
    cache: Arc<OnceLock<UserCache>>,
}

#[derive(Clone)]
enum Pool {
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl Pool {
    fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// Runs `$body` on a connection of either database, as a future of the outcome. With PostgreSQL it may run twice, so it
/// must not consume its inputs. `$keeps` is for `persistent`.
macro_rules! on_connection {
    ($users:expr, $work:ident, |$connection:ident, $keeps:ident| $body:expr) => {
        $crate::users::sql::failure::within(async {
            match &$users.pool {
                #[cfg(feature = "sqlite")]
                $crate::users::sql::Pool::Sqlite(pool) => match pool.acquire().await {
                    Ok(mut held) => {
                        let ($connection, $keeps) = (&mut *held, true);
                        async { $body }.await
                    }
                    Err(error) => Err(error),
                },
                #[cfg(feature = "postgres")]
                $crate::users::sql::Pool::Postgres(postgres) => {
                    $crate::sql::postgres::attempt!(
                        postgres,
                        $crate::sql::postgres::Work::$work,
                        |$connection, $keeps| $body
                    )
                }
            }
        })
    };
}
use on_connection;

impl SqlUsers {
    /// Connects to `sqlite://path`, `sqlite::memory:` or `postgres://...`.
    ///
    /// A SQLite file is created if missing and switched to write-ahead logging (readers and the writer do not block
    /// each other), and a writer waits up to 5 s for another. A memory database lives as long as the pool, on one
    /// connection. PostgreSQL gets up to 10 connections; a request waits up to 2 s for one. With the feature
    /// `postgres-tls` its URL accepts `sslmode`, `sslrootcert`, `sslcert` and `sslkey` as in libpq: the default,
    /// `prefer`, uses TLS if the server supports it. Behind a pooler such as PgBouncer, which is detected, every
    /// operation is a transaction of its own and costs two to three more round trips.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for another URL, or a database whose feature is not compiled in;
    /// [`ErrorKind::Unavailable`] if the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        match url.split(':').next() {
            #[cfg(feature = "sqlite")]
            Some("sqlite") => Self::connect_sqlite(url).await,
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Ok(Self::new(Pool::Postgres(Postgres::connect(url).await?))),
            _ => Err(Error::new(
                ErrorKind::Config,
                "the users' database needs a sqlite: or postgres: URL, with its feature",
            )),
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
            busy::switch_to_wal(&options).await?;
            pool
        };
        Ok(Self::from_sqlite(within(pool.connect_with(options)).await?))
    }

    /// Uses your own pool. Give it write-ahead logging and a busy timeout, as [`connect`](Self::connect) does.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn from_sqlite(pool: SqlitePool) -> Self {
        Self::new(Pool::Sqlite(pool))
    }

    /// Uses your own pool. Give it an acquire timeout of a few seconds; sqlx's own is 30 s. If it leads to a pooler,
    /// call [`behind_pooler`](Self::behind_pooler).
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn from_postgres(pool: sqlx::PgPool) -> Self {
        Self::new(Pool::Postgres(Postgres::of(pool)))
    }

    /// Declares that your own pool leads to a pooler that switches servers between transactions. Default: a direct
    /// connection; [`connect`](Self::connect) detects a pooler.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn behind_pooler(mut self) -> Self {
        self.pool = match self.pool {
            Pool::Postgres(postgres) => Pool::Postgres(postgres.behind_pooler()),
            #[cfg(feature = "sqlite")]
            other => other,
        };
        self
    }

    fn new(pool: Pool) -> Self {
        let tables = Arc::new(RwLock::new(Arc::new(Tables::own(pool.dialect()))));
        Self { pool, tables, hasher: PasswordHasher::default(), surveyed: Arc::default(), cache: Arc::default() }
    }

    fn dialect(&self) -> Dialect {
        self.pool.dialect()
    }

    fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets the hasher of new passwords. Default: argon2id. In a fleet with Django use
    /// [`PasswordHasher::pbkdf2_sha256`], which Django verifies without further packages.
    #[must_use]
    pub fn with_hasher(mut self, hasher: PasswordHasher) -> Self {
        self.hasher = hasher;
        self
    }

    /// Checks that the database answers, for a readiness check. One round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if it does not answer.
    pub async fn ping(&self) -> Result<(), Error> {
        on_connection!(self, Read, |connection, keeps| {
            sqlx::query("SELECT 1").persistent(keeps).execute(connection).await.map(drop)
        })
        .await
    }

    /// Learns once the cost of some users' hashes, so that even the first refusal costs as much. If the table cannot be
    /// read now, the next call tries again; until then an expensive hash is learned when it is met.
    async fn survey(&self) {
        let looked = self.surveyed.get_or_try_init(async || {
            let users = self.list("", 0, SURVEYED).await?;
            password_work::learn(users.iter().filter_map(|user| scheme_of(user.encoded_password())));
            Ok::<_, Error>(())
        });
        if let Err(error) = looked.await {
            tracing::debug!(%error, "the cost of the stored password hashes is not known yet");
        }
    }

    /// The names in one column that `sql` selects for the user's key, without NULLs.
    async fn for_user(&self, sql: Option<String>, key: &str) -> Result<Vec<String>, Error> {
        let Some(sql) = sql else { return Ok(Vec::new()) };
        let names: Vec<Option<String>> = on_connection!(self, Read, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(key);
            query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
        })
        .await?;
        Ok(names.into_iter().flatten().collect())
    }

    /// The users that `sql` finds by `$1`.
    async fn found(&self, tables: &Tables, sql: &Arc<str>, value: &str) -> Result<Vec<User>, Error> {
        let users: Vec<User> = on_connection!(self, Read, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(Arc::clone(sql))).persistent(keeps).bind(value);
            query.fetch_all(connection).await?.iter().map(read_user).collect()
        })
        .await?;
        Ok(users.into_iter().map(|user| tables.shown(user)).collect())
    }

    /// The user with exactly this name; `None` if several users have it.
    async fn named(&self, tables: &Tables, name: &str) -> Result<Option<User>, Error> {
        // A number has one spelling: a throttle would count those of `01` and `1` separately.
        let is_spelled = |stored: &String| tables.name.kind != Kind::Number || stored == name;
        let Some(stored) = tables.name.stored(name).filter(is_spelled) else { return Ok(None) };
        let mut users = self.found(tables, &tables.find_by_name, &stored).await?;
        if users.len() > 1 {
            tracing::warn!("several users have the same name, so none of them can sign in with it");
            return Ok(None);
        }
        Ok(users.pop())
    }
}

impl fmt::Debug for SqlUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlUsers").field("hasher", &self.hasher).finish_non_exhaustive()
    }
}

impl Users for SqlUsers {
    type User = User;

    async fn find(&self, id: &str) -> Result<Option<User>, Error> {
        let tables = self.tables();
        match tables.key(id) {
            Some(key) => Ok(self.found(&tables, &tables.find, &key).await?.pop()),
            None => Ok(None),
        }
    }

    /// Looks up the name as given, because not all names come from forms, and then its [NFKC](super::normalized_name),
    /// in which names are stored. No user has an empty name, or one with a zero byte.
    async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        if name.is_empty() || name.contains('\0') {
            return Ok(None);
        }
        let tables = self.tables();
        let normalized = super::normalized_name(name);
        match self.named(&tables, name).await? {
            None if normalized != name => self.named(&tables, &normalized).await,
            found => Ok(found),
        }
    }

    /// As [`Users::verify`]. The first call also reads some hundred users, to learn the cost of their hashes.
    async fn verify(&self, name: &str, password: &str) -> Result<Option<User>, Error> {
        let user = self.find_by_name(name).await?;
        self.survey().await;
        password_work::verify_user(user, password, self.hasher).await
    }

    fn hasher(&self) -> PasswordHasher {
        self.hasher
    }

    /// The tables of a Django site have no epochs: there it always returns `None`.
    async fn raise_epoch(&self, id: &str) -> Result<Option<i64>, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(id).filter(|_| tables.has_epochs) else { return Ok(None) };
        let _changing = self.changing(&tables, id);
        let sql = format!(
            "INSERT INTO shared_session_epoch (user_id, epoch) SELECT {}, 1 FROM {} u WHERE {} \
             ON CONFLICT (user_id) DO UPDATE SET epoch = shared_session_epoch.epoch + 1 RETURNING epoch",
            tables.key.text(),
            tables.users,
            tables.is_row()
        );
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&key);
            query.fetch_optional(connection).await?.map(|row| row.try_get(0)).transpose()
        })
        .await
    }

    fn cache(&self) -> Option<&UserCache> {
        self.cache.get()
    }

    /// Django's rules: an inactive user has no permissions, a superuser has all that exist.
    async fn permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(&user.id).filter(|_| user.is_active) else { return Ok(BTreeSet::new()) };
        Ok(self.for_user(tables.permissions(user.is_superuser), &key).await?.into_iter().collect())
    }

    async fn groups(&self, user: &User) -> Result<Vec<String>, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(&user.id) else { return Ok(Vec::new()) };
        self.for_user(tables.groups(), &key).await
    }
}

/// Reads the columns of [`Tables::select`]. A NULL text becomes empty.
fn read_user<'r, R>(row: &'r R) -> sqlx::Result<User>
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let text = |index: usize| row.try_get::<Option<String>, _>(index).map(Option::unwrap_or_default);
    let id: String = row.try_get(0)?;
    let password = row.try_get::<Option<String>, _>(2)?.unwrap_or_else(|| NO_PASSWORD.to_owned());
    let mut user = User::new(id, text(1)?).with_encoded_password(password);
    user.email = text(3)?;
    user.first_name = text(4)?;
    user.last_name = text(5)?;
    user.is_active = row.try_get(6)?;
    user.is_staff = row.try_get(7)?;
    user.is_superuser = row.try_get(8)?;
    user.date_joined = row.try_get(9)?;
    user.last_login = row.try_get(10)?;
    user.epoch = row.try_get(11)?;
    Ok(user)
}

/// The text from which Django derives the session auth hash of a user whose password is NULL. No password matches it.
const NO_PASSWORD: &str = "None";
