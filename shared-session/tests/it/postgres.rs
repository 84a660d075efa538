//! PostgreSQL as in production: behind a pooler, with TLS, migrated and restarted under running services.

mod changes;
mod pooler;
#[cfg(all(feature = "postgres-tls", feature = "redis-tls"))]
mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use shared_session::{
    store::{SessionStore, SqlStore},
    users::{NewUser, PasswordHasher, SqlUsers, User},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The error of an operation that must fail.
fn refusal<T>(result: Result<T, shared_session::Error>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

/// A service with its tables, and the session `key`.
async fn sessions(url: &str) -> SqlStore {
    let store = SqlStore::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    assert!(store.create("key", "value".into(), MINUTE).await.unwrap());
    store
}

/// A service with its tables, and the user `ann`. The passwords cost nothing to hash.
async fn users(url: &str) -> (SqlUsers, User) {
    let users = SqlUsers::connect(url).await.unwrap().with_hasher(PasswordHasher::pbkdf2_sha256(10).unwrap());
    users.migrate().await.unwrap();
    let ann = users.create_user(NewUser::new("ann", "right")).await.unwrap();
    (users, ann)
}

/// Makes a pool open all of its connections, each of which prepares the load statement.
async fn open_all(store: &SqlStore) {
    for _ in 0..5 {
        for loaded in join_all((0..40).map(|_| store.load("key"))).await {
            assert!(loaded.unwrap().is_some());
        }
    }
}
