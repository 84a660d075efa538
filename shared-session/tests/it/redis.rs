//! The Redis store against real servers: what it asks of them, and what it makes of their faults.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a failed expectation must fail the test")]

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

const MINUTE: Duration = Duration::from_secs(60);
const KEY: &str = "test:the-key";
const VALUE: &str = "01:the-value";

fn value() -> Bytes {
    Bytes::from_static(VALUE.as_bytes())
}

/// What a caller has seen who loaded [`value`].
fn seen() -> Seen {
    Seen::new(value(), 0..3)
}

/// For tests of anything but time-outs: a busy machine may take its time.
fn patient() -> RedisConfig {
    RedisConfig::new().with_response_timeout(MINUTE).with_connect_timeout(MINUTE)
}

/// For tests of time-outs: what must not happen anyway happens soon, and what must has time enough.
fn impatient() -> RedisConfig {
    RedisConfig::new().with_response_timeout(Duration::from_secs(1)).with_connect_timeout(MINUTE)
}

async fn connect(redis: &Redis) -> RedisStore {
    RedisStore::connect_with(&redis.url(), &patient()).await.unwrap()
}

/// How often the server ran each command since the last call, those inside scripts included.
fn commands(redis: &Redis) -> BTreeMap<String, usize> {
    let info = redis.cli(&["INFO", "commandstats"]);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let calls = info.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    calls.filter(|(name, _)| !["info", "config", "client", "hello"].iter().any(|own| name.starts_with(own))).collect()
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, calls)| (name.to_owned(), calls)).collect()
}

/// Every write, on a key that holds [`value`]: creating, replacing, deleting, indexing.
async fn every_write(store: &RedisStore) -> [Result<(), Error>; 6] {
    [
        store.create(KEY, value(), MINUTE).await.map(drop),
        store.replace(KEY, &seen(), value(), MINUTE).await.map(drop),
        store.index_add("test:index", "member", StoreTime(u64::MAX)).await,
        store.index_remove("test:index", &["member".to_owned()]).await,
        store.delete(KEY, Some(&seen())).await.map(drop),
        store.delete(KEY, None).await.map(drop),
    ]
}

/// No error may say where the server is, what it was asked or what it holds.
#[track_caller]
fn assert_discreet(error: &Error) {
    let text = format!("{error} {error:?}");
    for secret in ["127.0.0.1", "the-key", "the-value", "member", "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[track_caller]
fn assert_unavailable(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_discreet(error);
}

// The contract.

async fn contract_over_every_route(kind: RedisKind) {
    let redis = Redis::start(kind);
    let tcp = connect(&redis).await;
    let unix = RedisStore::connect_with(&redis.unix_url(), &patient()).await.unwrap();
    let mut suites = vec![tokio::spawn(store_contract(tcp)), tokio::spawn(store_contract(unix))];
    #[cfg(feature = "deadpool")]
    suites.push(tokio::spawn(store_contract(RedisStore::from_pool_with(pool(&redis.url()), &patient()))));
    for suite in suites {
        suite.await.unwrap();
    }
}

#[cfg(feature = "deadpool")]
fn pool(url: &str) -> deadpool_redis::Pool {
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

// What an operation costs.

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_one_command() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for _ in 0..2 {
            // The first round teaches the server the scripts.
            every_write(&store).await.into_iter().collect::<Result<(), _>>().unwrap();
        }
        commands(&redis);

        store.create(KEY, value(), MINUTE).await.unwrap();
        assert_eq!(commands(&redis), counts([("set", 1)]));
        store.load(KEY).await.unwrap();
        assert_eq!(commands(&redis), counts([("get", 1)]));
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(commands(&redis), counts([("evalsha", 1), ("getrange", 1), ("set", 1)]));
        let stale = Seen::new(Bytes::from("00:"), 0..3);
        assert!(store.replace(KEY, &stale, value(), MINUTE).await.unwrap() == Replaced::Conflict(value()));
        assert_eq!(commands(&redis), counts([("evalsha", 1), ("getrange", 1), ("get", 1)]));
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Deleted);
        assert_eq!(commands(&redis), counts([("evalsha", 1), ("getrange", 1), ("del", 1)]));
        let _ = store.delete(KEY, None).await.unwrap();
        assert_eq!(commands(&redis), counts([("del", 1)]));
        store.scan("test:", None).await.unwrap();
        assert_eq!(commands(&redis), counts([("scan", 1)]));
        store.time().await.unwrap();
        assert_eq!(commands(&redis), counts([("time", 1)]));

        let soon = store.time().await.unwrap().after(MINUTE);
        commands(&redis);
        store.index_add("test:index", "member", soon).await.unwrap();
        let inside = [("time", 1), ("zadd", 1), ("pttl", 1), ("pexpireat", 1), ("zremrangebyscore", 1)];
        assert_eq!(commands(&redis), [counts([("evalsha", 1)]), counts(inside)].into_iter().flatten().collect());
        assert_eq!(store.index_list("test:index").await.unwrap(), ["member"]);
        assert_eq!(commands(&redis), counts([("time", 1), ("zrangebyscore", 1)]));
        store.index_remove("test:index", &["member".to_owned(), "other".to_owned()]).await.unwrap();
        assert_eq!(commands(&redis), counts([("zrem", 1)]));
        store.index_remove("test:index", &[]).await.unwrap();
        assert_eq!(commands(&redis), counts([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_sent_again_when_the_server_forgot_them() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        store.create(KEY, value(), MINUTE).await.unwrap();
        redis.cli(&["SCRIPT", "FLUSH"]);
        commands(&redis);
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        let ran = commands(&redis);
        assert_eq!((ran.get("eval"), ran.get("set")), (Some(&1), Some(&1)), "{ran:?}");
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Deleted);
        assert_eq!(commands(&redis).get("eval"), Some(&1), "each script is its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_clones_share_one_connection() {
    let redis = Redis::start(RedisKind::New);
    let store = connect(&redis).await;
    let calls = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.load(KEY).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let clients = redis.cli(&["CLIENT", "LIST"]);
    assert_eq!(clients.matches("cmd=get").count(), 1, "{clients}");
}

// Comparing.

#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_be_empty_or_lie_beyond_the_value() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let empty = Seen::new(value(), 0..0);
        assert_eq!(store.replace(KEY, &empty, value(), MINUTE).await.unwrap(), Replaced::Gone);
        assert_eq!(store.delete(KEY, Some(&empty)).await.unwrap(), Deleted::Gone);

        store.create(KEY, Bytes::new(), MINUTE).await.unwrap();
        let nothing = Bytes::new();
        let beyond = Seen::new(value(), 2..2);
        for seen in [seen(), beyond] {
            let conflict = store.replace(KEY, &seen, value(), MINUTE).await.unwrap();
            assert!(conflict == Replaced::Conflict(nothing.clone()), "absent and empty must not be mixed up");
            assert!(store.delete(KEY, Some(&seen)).await.unwrap() == Deleted::Conflict(nothing.clone()));
        }
        assert_eq!(store.replace(KEY, &empty, value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(store.load(KEY).await.unwrap(), Some(value()));
        assert_eq!(store.delete(KEY, Some(&empty)).await.unwrap(), Deleted::Deleted);
    }
}

// Lifetimes.

#[tokio::test(flavor = "multi_thread")]
async fn extreme_lifetimes_neither_overflow_nor_vanish() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        assert!(store.create(KEY, value(), Duration::MAX).await.unwrap());
        assert_eq!(store.replace(KEY, &seen(), value(), Duration::MAX).await.unwrap(), Replaced::Stored);
        assert!(store.load(KEY).await.unwrap().is_some());
        store.index_add("test:index", "member", StoreTime(u64::MAX)).await.unwrap();
        assert_eq!(store.index_list("test:index").await.unwrap(), ["member"]);
        for key in [KEY, "test:index"] {
            let ttl: i64 = number(&redis.cli(&["PTTL", key]));
            assert!(ttl > 0, "{key} has no lifetime: {ttl}");
        }
        store.create("test:short", value(), Duration::ZERO).await.unwrap();
        assert_ne!(number(&redis.cli(&["PTTL", "test:short"])), -1, "a key without a lifetime");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_lives_as_long_as_its_longest_member_and_forgets_the_others() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        let now = store.time().await.unwrap();
        store.index_add("test:index", "long", now.after(10 * MINUTE)).await.unwrap();
        store.index_add("test:index", "short", now.after(Duration::from_millis(200))).await.unwrap();
        store.index_add("test:index", "long", now.after(Duration::from_millis(200))).await.unwrap();
        let ttl = number(&redis.cli(&["PTTL", "test:index"]));
        assert!(ttl > 5 * 60_000, "the lifetime has shrunk: {ttl}");
        assert_eq!(number(&redis.cli(&["ZCARD", "test:index"])), 2);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(store.index_list("test:index").await.unwrap(), ["long"]);
        store.index_add("test:index", "past", now).await.unwrap();
        assert_eq!(redis.cli(&["ZRANGE", "test:index", "0", "-1"]).trim(), "long");
    }
}

fn number(reply: &str) -> i64 {
    reply.trim().trim_start_matches("(integer) ").parse().unwrap_or_else(|_| panic!("not a number: {reply}"))
}

// The server refuses.

#[tokio::test(flavor = "multi_thread")]
async fn out_of_memory_refuses_writes_but_not_deletes() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        store.create(KEY, value(), MINUTE).await.unwrap();
        store.create("test:other", value(), MINUTE).await.unwrap();
        redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        let refused = [
            store.create("test:new", value(), MINUTE).await.map(drop),
            store.replace(KEY, &seen(), value(), MINUTE).await.map(drop),
            store.index_add("test:index", "member", StoreTime(u64::MAX)).await,
        ];
        for error in refused.map(Result::unwrap_err) {
            assert_unavailable(&error);
            assert_eq!(error.to_string(), "Redis refuses writes: out of memory (maxmemory)");
            assert!(!error.is_undecided());
        }
        assert!(store.load(KEY).await.unwrap().is_some());
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Deleted);
        assert_eq!(store.delete("test:other", None).await.unwrap(), Deleted::Deleted);
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        assert!(store.create("test:new", value(), MINUTE).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_decided_and_says_why() {
    let cases: [(&[&str], &[&str], &str); 3] = [
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"], "this server is a replica"),
        (
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            "too few replicas are connected (min-replicas-to-write)",
        ),
        (&["CONFIG", "SET", "save", "3600 1"], &["CONFIG", "SET", "save", ""], "it cannot save its data to disk"),
    ];
    for redis in Redis::all() {
        let store = connect(&redis).await;
        for (break_it, mend_it, why) in cases {
            store.create(KEY, value(), MINUTE).await.unwrap();
            redis.cli(break_it);
            if why.contains("disk") {
                break_saving(&redis);
            }
            for result in every_write(&store).await {
                let error = result.unwrap_err();
                assert_unavailable(&error);
                assert_eq!(error.to_string(), format!("Redis refuses writes: {why}"), "{:?}", redis.kind());
                assert!(!error.is_undecided());
            }
            assert!(store.load(KEY).await.unwrap().is_some());
            redis.cli(mend_it);
            for result in every_write(&store).await {
                result.unwrap();
            }
        }
    }
}

/// Makes the server fail to write a snapshot, after which it refuses writes.
fn break_saving(redis: &Redis) {
    let folder = redis.cli(&["CONFIG", "GET", "dir"]).lines().nth(1).unwrap().to_owned();
    std::fs::create_dir_all(format!("{folder}/dump.rdb/full")).unwrap();
    redis.cli(&["BGSAVE"]);
    for _ in 0..200 {
        if redis.cli(&["INFO", "persistence"]).contains("rdb_last_bgsave_status:err") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the snapshot did not fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_left_for_a_new_connection() {
    let redis = Redis::start(RedisKind::New);
    let store = connect(&redis).await;
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    tokio::time::sleep(Duration::from_millis(150)).await;
    store.create(KEY, value(), MINUTE).await.unwrap_err();
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    let before = connections(&redis);
    assert!(store.create(KEY, value(), MINUTE).await.unwrap());
    assert_eq!(connections(&redis) - before, 2, "the store's new one and that of the second question");
}

fn connections(redis: &Redis) -> usize {
    let info = redis.cli(&["INFO", "stats"]);
    let line = info.lines().find_map(|line| line.trim().strip_prefix("total_connections_received:")).unwrap();
    line.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_no_empty_session() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        store.create(KEY, value(), MINUTE).await.unwrap();
        redis.cli(&["ACL", "SETUSER", "default", "-get", "-set", "-evalsha"]);
        let errors = [
            store.load(KEY).await.map(drop).unwrap_err(),
            store.create(KEY, value(), MINUTE).await.map(drop).unwrap_err(),
            store.replace(KEY, &seen(), value(), MINUTE).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_unavailable(&error);
            assert!(error.to_string().contains("lacks the permission"), "{error}");
            assert!(!error.is_undecided());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_command_is_reported_without_its_arguments() {
    for kind in RedisKind::ALL {
        let redis = Redis::with_args(kind, &["--rename-command", "GET", ""]);
        let error = connect(&redis).await.load(KEY).await.unwrap_err();
        assert_unavailable(&error);
        assert!(error.to_string().contains("renamed or disabled"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_of_value_is_unreadable_and_can_be_deleted() {
    for redis in Redis::all() {
        let store = connect(&redis).await;
        redis.cli(&["RPUSH", KEY, "x"]);
        redis.cli(&["SET", "test:index", "x"]);
        let errors = [
            store.load(KEY).await.map(drop).unwrap_err(),
            store.replace(KEY, &seen(), value(), MINUTE).await.map(drop).unwrap_err(),
            store.delete(KEY, Some(&seen())).await.map(drop).unwrap_err(),
            store.index_add("test:index", "member", StoreTime(u64::MAX)).await.unwrap_err(),
            store.index_list("test:index").await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unreadable, "{error:?}");
            assert!(!error.is_undecided());
            assert_discreet(&error);
        }
        assert!(!store.create(KEY, value(), MINUTE).await.unwrap(), "create must not overwrite it");
        assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Deleted);
    }
}

// The way to the server.

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_fails_at_once_and_a_restarted_one_answers_the_next_call() {
    let redis = Redis::start(RedisKind::Old);
    let mut stores = vec![connect(&redis).await];
    stores.push(RedisStore::connect_with(&redis.unix_url(), &patient()).await.unwrap());
    #[cfg(feature = "deadpool")]
    stores.push(RedisStore::from_pool_with(pool(&redis.url()), &patient()));
    for store in &mut stores {
        store.load(KEY).await.unwrap();
        redis.kill();
        assert_unavailable(&store.load(KEY).await.unwrap_err());
        for result in every_write(store).await {
            let error = result.unwrap_err();
            assert_unavailable(&error);
            assert!(!error.is_undecided(), "it was not sent: {error}");
        }
        redis.restart();
        assert!(store.create(KEY, value(), MINUTE).await.unwrap());
        assert!(store.load(KEY).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_closed_is_replaced_unseen() {
    let no_resp3: &[&str] = &["--rename-command", "HELLO", ""];
    for args in [&[], no_resp3] {
        let redis = Redis::with_args(RedisKind::Old, args);
        let store = connect(&redis).await;
        store.create(KEY, value(), MINUTE).await.unwrap();
        for _ in 0..20 {
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            assert!(store.load(KEY).await.unwrap().is_some());
        }
        if args.is_empty() {
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            // The news has to arrive; a write that is under way when it does is undecided.
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_makes_reads_fail_and_writes_undecided() {
    let redis = Redis::start(RedisKind::New);
    let mut stores = vec![RedisStore::connect_with(&redis.url(), &impatient()).await.unwrap()];
    #[cfg(feature = "deadpool")]
    stores.push(RedisStore::from_pool_with(pool(&redis.url()), &impatient()));
    for store in stores {
        let _ = store.delete(KEY, None).await.unwrap();
        redis.pause();
        let write = tokio::time::timeout(MINUTE, store.create(KEY, value(), MINUTE)).await.expect("bounded");
        let read = tokio::time::timeout(MINUTE, store.load(KEY)).await.expect("bounded");
        redis.resume();
        let (write, read) = (write.unwrap_err(), read.unwrap_err());
        assert_unavailable(&write);
        assert_unavailable(&read);
        assert!(!read.is_undecided());
        // A pool tests its connections first, so whether the write was sent is the pool's secret.
        if write.is_undecided() {
            assert!(until_answered(&store).await.is_some(), "it ran after all");
        }
    }
    let store = RedisStore::connect_with(&redis.url(), &impatient()).await.unwrap();
    redis.pause();
    let writes = every_write(&store).await;
    redis.resume();
    // The first three were sent; then the connection was given up.
    let undecided = writes.map(|result| result.unwrap_err().is_undecided());
    assert_eq!(undecided, [true, true, true, false, false, false]);
    until_answered(&store).await;
}

/// Loads until the server has woken up.
async fn until_answered(store: &RedisStore) -> Option<Bytes> {
    for _ in 0..100 {
        if let Ok(answer) = store.load(KEY).await {
            return answer;
        }
    }
    panic!("the store did not recover");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_to_a_living_server_is_given_up() {
    let redis = Redis::start(RedisKind::New);
    let proxy = Proxy::start(&redis).await;
    let store = RedisStore::connect_with(&proxy.url, &impatient()).await.unwrap();
    proxy.set(Fault::Silence);
    store.load(KEY).await.unwrap_err();
    proxy.set(Fault::None);
    // The old connection stays silent, whatever the proxy does with new ones.
    store.load(KEY).await.unwrap_err();
    store.load(KEY).await.unwrap_err();
    assert_eq!(store.load(KEY).await.unwrap(), None);
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_reply_is_lost_is_undecided_and_sent_once() {
    for redis in Redis::all() {
        for fault in [Fault::Silence, Fault::Cut] {
            let proxy = Proxy::start(&redis).await;
            let direct = connect(&redis).await;
            every_write(&direct).await.into_iter().collect::<Result<(), _>>().unwrap();
            commands(&redis);

            let store = RedisStore::connect_with(&proxy.url, &impatient()).await.unwrap();
            proxy.set(fault);
            let error = store.create(KEY, value(), MINUTE).await.unwrap_err();
            assert_unavailable(&error);
            assert!(error.is_undecided(), "{fault:?}: {error}");
            assert_eq!(commands(&redis), counts([("set", 1)]), "{fault:?}");

            proxy.set(Fault::None);
            let store = RedisStore::connect_with(&proxy.url, &impatient()).await.unwrap();
            proxy.set(fault);
            let error = store.replace(KEY, &seen(), value(), MINUTE).await.unwrap_err();
            assert!(error.is_undecided(), "{fault:?}: {error}");
            assert_eq!(commands(&redis), counts([("evalsha", 1), ("getrange", 1), ("set", 1)]), "{fault:?}");

            proxy.set(Fault::None);
            let store = RedisStore::connect_with(&proxy.url, &impatient()).await.unwrap();
            proxy.set(fault);
            let error = store.delete(KEY, None).await.unwrap_err();
            assert!(error.is_undecided(), "{fault:?}: {error}");
            assert_eq!(commands(&redis), counts([("del", 1)]), "{fault:?}");

            proxy.set(Fault::None);
            let store = RedisStore::connect_with(&proxy.url, &impatient()).await.unwrap();
            proxy.set(Fault::CutOnce);
            assert_eq!(store.load(KEY).await.unwrap(), None);
            assert_eq!(commands(&redis), counts([("get", 2)]), "a read is sent again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_one_attempt_to_connect() {
    // Accepts and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(listener.accept().await.unwrap());
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let config = RedisConfig::new().with_connect_timeout(MINUTE);
    let store = RedisStore::connect_lazy(&url, &config).unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.create(KEY, value(), MINUTE).await.unwrap_err() })
        })
        .collect();
    for call in calls {
        let error = tokio::time::timeout(MINUTE, call).await.expect("bounded").unwrap();
        assert_unavailable(&error);
        assert!(!error.is_undecided());
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_us_away_is_not_stormed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"-ERR max number of clients reached\r\n").await;
        }
    });
    let store = RedisStore::connect_lazy(&url, &RedisConfig::new()).unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        assert_unavailable(&store.load(KEY).await.unwrap_err());
    }
    let allowed = 1 + start.elapsed().as_millis() / 100;
    assert!(accepted.load(Ordering::SeqCst) as u128 <= allowed, "{accepted:?} connections, allowed {allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_why_there_is_no_connection_is_told() {
    let redis = Redis::with_args(RedisKind::Old, &["--requirepass", "hunter2"]);
    let host = format!("127.0.0.1:{}", redis.port());
    for (url, why) in [
        (format!("redis://{host}"), "it needs a password"),
        (format!("redis://:hunter3@{host}"), "wrong user name or password"),
        ("redis://127.0.0.1:1".to_owned(), "nothing listens"),
        ("unix:///nowhere/redis.sock".to_owned(), "nothing listens"),
    ] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        assert_unavailable(&error);
        assert!(error.to_string().contains(why), "{error}");
    }
    let connected = RedisStore::connect(&format!("redis://:hunter2@{host}/1")).await.unwrap();
    connected.time().await.unwrap();

    redis.cli(&["CONFIG", "SET", "maxclients", "1"]);
    let error = RedisStore::connect(&format!("redis://:hunter2@{host}")).await.unwrap_err();
    assert_unavailable(&error);
    connected.time().await.unwrap();
}

#[cfg(feature = "redis-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_plain_server_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"-ERR unknown command\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("TLS handshake"), "{error:?}");
}

#[test]
fn a_store_outlives_the_runtime_that_made_it() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let redis = Redis::start(RedisKind::New);
    let first = runtime();
    let store = first.block_on(connect(&redis));
    drop(first);
    let second = runtime();
    assert!(second.block_on(store.create(KEY, value(), MINUTE)).unwrap());
    drop(second);
    assert!(runtime().block_on(store.load(KEY)).unwrap().is_some());
}

/// What a [`Proxy`] does with replies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Passes them on.
    None,
    /// Passes nothing on in either direction once a reply came, for as long as the connection lives.
    Silence,
    /// Closes the connection instead.
    Cut,
    /// The same for one reply.
    CutOnce,
}

impl Fault {
    fn take(&mut self) -> Self {
        let now = *self;
        if now == Self::CutOnce {
            *self = Self::None;
        }
        now
    }
}

/// Passes bytes between a store and its server until told otherwise.
struct Proxy {
    url: String,
    fault: Arc<Mutex<Fault>>,
    accepted: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let fault = Arc::new(Mutex::new(Fault::None));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (counter, watched, port) = (accepted.clone(), fault.clone(), redis.port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(relay(client, port, watched.clone()));
            }
        });
        Self { url, fault, accepted }
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn relay(mut client: TcpStream, port: u16, fault: Arc<Mutex<Fault>>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut asked, mut replied) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read? {
                0 => return Ok(()),
                n => server.write_all(&asked[..n]).await?,
            },
            read = server.read(&mut replied) => {
                let now = fault.lock().unwrap().take();
                match (read?, now) {
                    (0, _) | (_, Fault::Cut | Fault::CutOnce) => return Ok(()),
                    (n, Fault::None) => client.write_all(&replied[..n]).await?,
                    (_, Fault::Silence) => break,
                }
            }
        }
    }
    std::future::pending().await
}
