//! The store contract over every route to every server.

use super::*;

async fn contract_over_every_route(kind: RedisKind) {
    let redis = Redis::start(kind);
    let tcp = connect(&redis).await;
    let unix = RedisStore::connect_with(&redis.unix_url(), &patient()).await.unwrap();
    let mut suites = vec![tokio::spawn(store_contract(tcp)), tokio::spawn(store_contract(unix))];
    #[cfg(feature = "deadpool")]
    suites.push(tokio::spawn(store_contract(RedisStore::from_pool(pool(&redis.url()), &patient()))));
    for suite in suites {
        suite.await.unwrap();
    }
}

#[cfg(feature = "deadpool")]
pub(super) fn pool(url: &str) -> deadpool_redis::Pool {
    let config = deadpool_redis::redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let manager = deadpool_redis::Manager::new_with_config(url, config).unwrap();
    deadpool_redis::Pool::builder(manager).max_size(4).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_an_old_redis() {
    contract_over_every_route(RedisKind::Old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_a_new_redis() {
    contract_over_every_route(RedisKind::New).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_valkey() {
    contract_over_every_route(RedisKind::Valkey).await;
}
