//! `SqlUsers` on SQLite and PostgreSQL: the same tests on both.

use shared_session::{
    ErrorKind,
    django::DjangoDbStore,
    store::{SessionStore as _, SqlStore},
    users::{NewUser, PasswordHasher, SqlUsers, User, Users},
};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use tempfile::TempDir;

/// Runs every function `async fn(&Database)` of a module on both databases.
macro_rules! on_both {
    ($($test:ident)*) => {
        $(mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(&super::Database::sqlite()).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                super::$test(&super::Database::postgres().await).await;
            }
        })*
    };
}

mod custom;
mod foreign;
mod grants;
mod groups;
mod passwords;
mod rows;
mod tables;

const KEY: &str = "a secret key of at least thirty-two bytes";

/// An empty database that no other test uses.
enum Database {
    Sqlite { directory: TempDir },
    Postgres { url: String },
}

impl Database {
    fn sqlite() -> Self {
        Self::Sqlite { directory: TempDir::new().unwrap() }
    }

    async fn postgres() -> Self {
        let create = || test_servers::Postgres::shared().create_database();
        Self::Postgres { url: tokio::task::spawn_blocking(create).await.unwrap() }
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite { directory } => format!("sqlite://{}/users.sqlite3", directory.path().display()),
            Self::Postgres { url } => url.clone(),
        }
    }

    /// Connects, with the cheapest hasher.
    async fn connect(&self) -> SqlUsers {
        let cheap = PasswordHasher::pbkdf2_sha256(10).unwrap();
        SqlUsers::connect(&self.url()).await.expect("connect").with_hasher(cheap)
    }

    async fn migrated(&self) -> SqlUsers {
        let users = self.connect().await;
        users.migrate().await.expect("migrate");
        users
    }

    /// Runs statements that both databases support.
    async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite { .. } => {
                let pool = SqlitePool::connect(&format!("{}?mode=rwc", self.url())).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Self::Postgres { url } => {
                let pool = PgPool::connect(url).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
    }

    /// The number that a statement returns.
    async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite { .. } => {
                let pool = SqlitePool::connect(&self.url()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
            }
            Self::Postgres { url } => {
                let pool = PgPool::connect(url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
            }
        }
    }

    /// The part that is specific to one of the two.
    fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

async fn add(users: &SqlUsers, name: &str) -> User {
    users.create_user(NewUser::new(name, "right")).await.unwrap()
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_error_and_never_an_absent_user() {
    let database = Database::sqlite();
    let users = database.connect().await;
    // No tables: the query fails, and will fail again.
    assert_eq!(users.find("1").await.unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(users.verify("ann", "p").await.unwrap_err().kind(), ErrorKind::Database);

    // The port was just released, so no server listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = SqlUsers::connect(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn missing_tables_are_told_with_the_call_that_creates_them() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let error = database.connect().await.find("1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(error.to_string().ends_with(": call `SqlUsers::migrate`"), "{error}");

        let store = SqlStore::connect(&database.url()).await.unwrap();
        for error in [store.load("key").await.unwrap_err(), store.index_list("index").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Database);
            assert!(error.to_string().ends_with(": call `SqlStore::migrate`"), "{error}");
        }
        let django = DjangoDbStore::connect(&database.url()).await.unwrap();
        let error = django.load("key").await.unwrap_err();
        assert!(error.to_string().ends_with(": run manage.py migrate"), "{error}");
    }
}

#[tokio::test]
async fn urls_of_other_databases_are_refused() {
    for url in ["", "mysql://localhost/users", "users.sqlite3", "postgres:///users?sslmode=perhaps"] {
        assert_eq!(SqlUsers::connect(url).await.unwrap_err().kind(), ErrorKind::Config, "{url}");
    }
}

#[tokio::test]
async fn errors_about_data_do_not_quote_it() {
    let database = Database::postgres().await;
    let users = database.migrated().await;
    database.run("ALTER TABLE auth_user ADD CONSTRAINT no_ann CHECK (username <> 'ann')").await;
    let refused = users.create_user(NewUser::new("ann", "p")).await.unwrap_err();
    let shown = format!("{refused} {refused:?}");
    assert!(shown.contains("23514") && !shown.contains("ann"), "{shown}");
}
