//! Stores on backends that no other test uses.

use shared_session::store::SqlStore;
use test_servers::Postgres;

pub(crate) async fn sqlite() -> SqlStore {
    migrated("sqlite::memory:").await
}

pub(crate) async fn postgres() -> SqlStore {
    migrated(&Postgres::shared().create_database()).await
}

async fn migrated(url: &str) -> SqlStore {
    let store = SqlStore::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}
