//! The rules of the store contract that a table of texts with short keys can keep.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use shared_session::{
    Error,
    django::{DjangoCachedDbStore, DjangoDbStore},
    store::{Deleted, Page, RedisStore, Replaced, Seen, SessionStore, StoreTime},
    testing::store_contract_where,
};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use test_servers::{Redis, RedisKind};

use super::{File, postgres};

/// The suite's keys are longer than Django's column: each is replaced by its own session key.
#[derive(Clone)]
struct ShortKeys<S>(S, Arc<Mutex<HashMap<String, usize>>>);

impl<S> ShortKeys<S> {
    fn new(store: S) -> Self {
        Self(store, Arc::default())
    }

    fn short(&self, key: &str) -> String {
        let mut keys = self.1.lock().unwrap();
        let next = keys.len();
        format!("{:032}", keys.entry(key.to_owned()).or_insert(next))
    }
}

impl<S: SessionStore> SessionStore for ShortKeys<S> {
    async fn load(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.0.load(&self.short(key)).await
    }
    async fn create(&self, key: &str, value: Bytes, ttl: Duration) -> Result<bool, Error> {
        self.0.create(&self.short(key), value, ttl).await
    }
    async fn replace(&self, key: &str, seen: &Seen, value: Bytes, ttl: Duration) -> Result<Replaced, Error> {
        self.0.replace(&self.short(key), seen, value, ttl).await
    }
    async fn delete(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        self.0.delete(&self.short(key), seen).await
    }
    async fn scan(&self, prefix: &str, from: Option<&str>) -> Result<Page, Error> {
        let page = self.0.scan("", from).await?;
        let keys = self.1.lock().unwrap();
        let long =
            |short: &String| keys.iter().find(|(_, n)| **n == short.parse::<usize>().unwrap()).unwrap().0.clone();
        let found = page.keys.iter().map(long).filter(|key| key.starts_with(prefix)).collect();
        Ok(Page::new(found, page.next))
    }
    async fn purge_expired(&self) -> Result<u64, Error> {
        self.0.purge_expired().await
    }
    async fn index_add(&self, index: &str, member: &str, deadline: StoreTime) -> Result<(), Error> {
        self.0.index_add(index, member, deadline).await
    }
    async fn index_list(&self, index: &str) -> Result<Vec<String>, Error> {
        self.0.index_list(index).await
    }
    async fn index_remove(&self, index: &str, members: &[String]) -> Result<(), Error> {
        self.0.index_remove(index, members).await
    }
    async fn time(&self) -> Result<StoreTime, Error> {
        self.0.time().await
    }
}

/// All rules except those about binary values and about an index.
async fn keeps_the_contract<S: SessionStore + Clone>(store: S) {
    let no_text = ["values::any_bytes_survive", "values::a_mebibyte_survives"];
    let kept = |rule: &str| !rule.starts_with("index::") && !no_text.contains(&rule);
    store_contract_where(ShortKeys::new(store), kept).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn djangos_table_in_sqlite_keeps_the_contract() {
    let file = File::new().await;
    // As in `connect`, but without waiting for the disk thousands of times.
    let options = SqliteConnectOptions::new().filename(&file.0).synchronous(SqliteSynchronous::Off);
    let pool = SqlitePoolOptions::new().max_connections(8);
    let pool = pool.connect_with(options.busy_timeout(Duration::from_secs(5))).await.unwrap();
    keeps_the_contract(DjangoDbStore::from_sqlite(pool)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn djangos_table_in_postgres_keeps_the_contract() {
    keeps_the_contract(DjangoDbStore::connect(&postgres()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn djangos_table_with_copies_keeps_the_contract_and_no_copy_of_an_ended_session() {
    let redis = Redis::start(RedisKind::Old);
    let copies = RedisStore::connect_with(&redis.url(), &crate::redis::patient()).await.unwrap();
    let rows = DjangoDbStore::connect(&postgres()).await.unwrap();
    keeps_the_contract(DjangoCachedDbStore::new(rows.clone(), copies.clone(), "copy:", |row| Ok(row.clone()))).await;

    let mut page = copies.scan("copy:", None).await.unwrap();
    let mut found = 0;
    loop {
        for copy in &page.keys {
            let row = rows.load(&copy["copy:".len()..]).await.unwrap();
            // The row may have expired after it was listed.
            if let Some(value) = copies.load(copy).await.unwrap() {
                assert_eq!(row, Some(value), "a copy that differs from its row");
                found += 1;
            }
        }
        let Some(next) = page.next else { break };
        page = copies.scan("copy:", Some(&next)).await.unwrap();
    }
    assert!(found > 0);
}
