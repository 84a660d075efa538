//! Connections that belong to one runtime.

use std::time::{Duration, Instant};

use shared_session::{NearCache, SessionManager, store::RedisStore};
use test_servers::{Proxy, Redis, RedisKind};
use tokio::runtime::{Builder, Runtime};

/// A runtime like that of an Actix Web worker.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime that its own thread drives.
fn home() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The number of connections, without that of this query.
fn clients(redis: &Redis) -> usize {
    redis.cli(&["CLIENT", "LIST"]).lines().count() - 1
}

/// Waits for the number, and looks again a moment later.
async fn assert_clients(redis: &Redis, expected: usize, when: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    while clients(redis) != expected && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(clients(redis), expected, "{when}");
}

#[test]
fn a_runtime_has_one_pair_of_connections_of_its_own_while_somebody_uses_it() {
    let redis = Redis::start(RedisKind::Old);
    let home = home();
    let manager = home.block_on(async { SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap()) });
    home.block_on(async {
        let own = manager.on_this_runtime();
        own.ping().await.unwrap();
        assert_clients(&redis, 2, "one for reads and one for writes, on the runtime that connected").await;
        own.ping().await.unwrap();
    });
    let worker = runtime();
    worker.block_on(async {
        let first = manager.on_this_runtime();
        first.ping().await.unwrap();
        let second = manager.on_this_runtime();
        second.ping().await.unwrap();
        assert_clients(&redis, 4, "those on one runtime share its connections").await;
        first.ping().await.unwrap();
        second.ping().await.unwrap();
        let another = std::thread::spawn(move || runtime().block_on(async { first.on_this_runtime().ping().await }));
        another.join().unwrap().unwrap();
    });
    worker.block_on(assert_clients(&redis, 2, "they end with their last user"));
    home.block_on(manager.ping()).unwrap();
}

#[test]
fn a_silent_connection_of_one_runtime_ends_those_of_the_others() {
    let redis = Redis::start(RedisKind::Old);
    let proxy = Proxy::to(redis.port());
    let (home, worker) = (home(), runtime());
    let manager = home.block_on(async { SessionManager::new(RedisStore::connect(&proxy.redis_url()).await.unwrap()) });
    worker.block_on(async {
        let own = manager.on_this_runtime();
        assert_clients(&redis, 4, "it opens its own connections").await;
        own.ping().await.unwrap();
        proxy.forget();
        for _ in 0..3 {
            own.ping().await.unwrap_err();
        }
        own.ping().await.unwrap();
    });
    home.block_on(manager.ping()).unwrap();
}

#[test]
fn a_runtime_that_cannot_connect_uses_the_connections_that_there_are() {
    let redis = Redis::start(RedisKind::Old);
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let manager = home.block_on(async { SessionManager::new(RedisStore::connect(&redis.url()).await.unwrap()) });
    redis.cli(&["CONFIG", "SET", "maxclients", "2"]);
    runtime().block_on(async {
        let own = manager.on_this_runtime();
        for _ in 0..10 {
            own.ping().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_near_cache_keeps_to_the_connections_that_hear_of_changes() {
    let redis = Redis::start(RedisKind::Old);
    let home = home();
    let manager = home.block_on(async {
        let store = RedisStore::connect(&redis.url()).await.unwrap();
        SessionManager::new(store).with_near_cache(NearCache::new()).unwrap()
    });
    let before = clients(&redis);
    runtime().block_on(async {
        let own = manager.on_this_runtime();
        own.ping().await.unwrap();
        // Time enough to connect.
        tokio::time::sleep(Duration::from_millis(200)).await;
        own.ping().await.unwrap();
        assert_eq!(clients(&redis), before, "no other connections");
    });
    drop(home);
}
