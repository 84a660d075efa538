//! Stores on backends that no other test uses.

use shared_session::store::SqlStore;
use test_servers::Postgres;

pub(crate) async fn sqlite() -> SqlStore {
    migrated("sqlite::memory:").await
}

pub(crate) async fn postgres() -> SqlStore {
    migrated(&Postgres::shared().create_database()).await
}

/// Runs a check, an `async fn` that takes a store, on a store of each kind but Redis.
macro_rules! in_memory_and_sql {
    ($check:ident) => {
        $check(shared_session::store::MemoryStore::new()).await;
        $check($crate::backends::sqlite().await).await;
        $check($crate::backends::postgres().await).await;
    };
}
pub(crate) use in_memory_and_sql;

/// Runs a check, an `async fn` that takes a store, on a store of each kind.
macro_rules! on_every_store {
    ($check:ident) => {
        $crate::backends::in_memory_and_sql!($check);
        for redis in test_servers::Redis::all() {
            $check($crate::redis::connect(&redis).await).await;
        }
    };
}
pub(crate) use on_every_store;

async fn migrated(url: &str) -> SqlStore {
    let store = SqlStore::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}
