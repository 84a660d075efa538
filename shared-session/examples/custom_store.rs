//! Your own store: one server for several tenants, each with a prefix in front of its keys. The contract suite verifies
//! it: `cargo run -p shared-session --features testing --example custom_store`.
use std::time::Duration;

use bytes::Bytes;
use shared_session::{
    Error,
    store::{Deleted, MemoryStore, Page, Replaced, Seen, SessionStore, StoreTime},
    testing::store_contract,
};

#[derive(Clone)]
pub(crate) struct OfTenant<S> {
    pub(crate) tenant: &'static str,
    pub(crate) store: S,
}

impl<S> OfTenant<S> {
    fn key(&self, key: &str) -> String {
        format!("{}/{key}", self.tenant)
    }
}

impl<S: SessionStore> SessionStore for OfTenant<S> {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.store.load(&self.key(key)).await
    }
    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.store.create(&self.key(key), value, ttl).await
    }
    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        self.store.replace(&self.key(key), seen, value, ttl).await
    }
    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.store.delete(&self.key(key), seen).await
    }
    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        let Page { keys, next, .. } = self.store.scan(&self.key(prefix), from).await?;
        let start = self.key("");
        Ok(Page::new(keys.iter().filter_map(|key| key.strip_prefix(&start)).map(str::to_owned).collect(), next))
    }
    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.store.index_add(&self.key(index), member, deadline).await
    }
    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.store.index_list(&self.key(index)).await
    }
    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.store.index_remove(&self.key(index), members).await
    }
    async fn time(&self) -> Result<StoreTime, Error> {
        self.store.time().await
    }
}

#[tokio::main]
async fn main() {
    store_contract(OfTenant { tenant: "shop", store: MemoryStore::new() }).await;
}
