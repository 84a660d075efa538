//! The server replies with a refusal.

use super::*;

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
        assert_eq!(store.delete(KEY, Some(&seen())).await.unwrap(), Deleted::Done);
        assert_eq!(store.delete("test:other", None).await.unwrap(), Deleted::Done);
        redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        assert!(store.create("test:new", value(), MINUTE).await.unwrap());
        // After a refusal for another reason, the server compares again.
        store.create(KEY, value(), MINUTE).await.unwrap();
        commands(&redis);
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(commands(&redis).contains_key("evalsha"), !is_native(&redis));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_into_a_large_value_changes_nothing() {
    let large = |head: &str| Bytes::from([head, &"x".repeat(20_000)].concat());
    let cases: [(&[&str], &[&str], &str); 2] = [
        (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"], "out of memory (maxmemory)"),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"], "this server is a replica"),
    ];
    for redis in Redis::all() {
        let store = connect(&redis).await;
        store.create(KEY, large("01:"), MINUTE).await.unwrap();
        for (break_it, mend_it, why) in cases {
            redis.cli(break_it);
            let replaced = store.replace(KEY, &Seen::new(large("01:"), 0..3), large("02:"), 60 * MINUTE).await;
            let error = replaced.unwrap_err();
            assert_unavailable(&error);
            assert_eq!(error.to_string(), format!("Redis refuses writes: {why}"), "{:?}", redis.kind());
            assert!(!error.is_undecided());
            assert!(store.load(KEY).await.unwrap() == Some(large("01:")));
            redis.cli(mend_it);
            let ttl: i64 = redis.cli(&["PTTL", KEY]).parse().unwrap();
            assert!(ttl <= 60_000, "{ttl}");
        }
        commands(&redis);
        let replaced = store.replace(KEY, &Seen::new(large("01:"), 0..3), large("02:"), MINUTE).await.unwrap();
        assert_eq!(replaced, Replaced::Stored);
        assert!(
            commands(&redis).contains_key("setrange"),
            "a refusal for another reason must not make the store send the whole value"
        );
        redis.cli(&["DEL", KEY]);
        redis.cli(&["RPUSH", KEY, "x"]);
        let replaced = store.replace(KEY, &Seen::new(large("01:"), 0..3), large("02:"), MINUTE).await;
        assert_eq!(replaced.unwrap_err().kind(), ErrorKind::Unreadable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_server_is_decided_and_gives_the_reason() {
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
    assert_eq!(connections(&redis) - before, 3, "the store's two new connections and that of the second query");
}

pub(super) fn connections(redis: &Redis) -> usize {
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
        assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
    }
}
