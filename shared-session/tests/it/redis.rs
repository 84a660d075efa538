//! The Redis store against real servers: its commands, and its reaction to their faults.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a failed expectation must fail the test")]

mod acl;
mod cluster;
mod commands;
mod contract;
mod near;
mod outages;
mod policy;
mod proxy;
mod refusals;
mod replicas;
mod runtimes;
mod sentinel;
#[cfg(feature = "redis-tls")]
mod tls;
#[cfg(feature = "redis-tls")]
mod tls_server;

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use shared_session::{
    Error, ErrorKind,
    store::{Deleted, RedisConfig, RedisStore, Replaced, Seen, SessionStore, StoreTime},
    testing::store_contract,
};
use test_servers::{Redis, RedisKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const KEY: &str = "test:the-key";
pub(super) const VALUE: &str = "01:the-value";

pub(super) fn value() -> Bytes {
    Bytes::from_static(VALUE.as_bytes())
}

/// The version seen by a caller that loaded [`value`].
pub(super) fn seen() -> Seen {
    Seen::new(value(), 0..3)
}

/// For tests that are not about time-outs, because the machine may be busy.
pub(super) fn patient() -> RedisConfig {
    RedisConfig::new().with_response_timeout(MINUTE).with_connect_timeout(MINUTE)
}

/// For tests of time-outs: short if an event must not happen, and long enough if it must.
pub(super) fn impatient() -> RedisConfig {
    RedisConfig::new().with_response_timeout(Duration::from_secs(1)).with_connect_timeout(MINUTE)
}

pub(super) async fn connect(redis: &Redis) -> RedisStore {
    RedisStore::connect_with(&redis.url(), &patient()).await.unwrap()
}

/// How often the server ran each command since the last call, including those inside scripts.
pub(super) fn commands(redis: &Redis) -> BTreeMap<String, usize> {
    let info = redis.cli(&["INFO", "commandstats"]);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let calls = info.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    calls.filter(|(name, _)| !["info", "config", "client", "hello"].iter().any(|own| name.starts_with(own))).collect()
}

pub(super) fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, calls)| (name.to_owned(), calls)).collect()
}

/// Whether the server has native compare-and-set, which depends on its version: Redis since 8.4.
pub(super) fn is_native(redis: &Redis) -> bool {
    redis.kind() == RedisKind::Valkey || redis.version() >= (8, 4)
}

/// The commands of a successful replace.
pub(super) fn a_replace(redis: &Redis) -> BTreeMap<String, usize> {
    if is_native(redis) { counts([("set", 1)]) } else { counts([("evalsha", 1), ("getrange", 1), ("set", 1)]) }
}

/// Every write, on a key that holds [`value`]: creating, replacing, deleting, indexing.
pub(super) async fn every_write(store: &RedisStore) -> [Result<(), Error>; 6] {
    [
        store.create(KEY, value(), MINUTE).await.map(drop),
        store.replace(KEY, &seen(), value(), MINUTE).await.map(drop),
        store.index_add("test:index", "member", StoreTime(u64::MAX)).await,
        store.index_remove("test:index", &["member".to_owned()]).await,
        store.delete(KEY, Some(&seen())).await.map(drop),
        store.delete(KEY, None).await.map(drop),
    ]
}

/// No error may contain the command's arguments or stored data, and none the server's address, unless nothing listens
/// there.
#[track_caller]
pub(super) fn assert_discreet(error: &Error) {
    let text = format!("{error} {error:?}").replace("nothing listens at 127.0.0.1:", "");
    for secret in ["127.0.0.1", "the-key", "the-value", "member", "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[track_caller]
pub(super) fn assert_unavailable(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_discreet(error);
}
