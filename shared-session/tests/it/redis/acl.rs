//! The least that a user of ours has to be allowed.

use test_servers::{Cluster, Sentinel};

use super::*;

/// What the store sends. Groups such as `@read` would allow more.
const RIGHTS: &[&str] = &[
    "resetkeys",
    "~test:*",
    "resetchannels",
    "-@all",
    "+get",
    "+set",
    "+del",
    "+eval",
    "+evalsha",
    "+getrange",
    "+zadd",
    "+zrangebyscore",
    "+zremrangebyscore",
    "+zrem",
    "+pttl",
    "+pexpireat",
    "+time",
    "+scan",
];

fn allow(redis: &Redis, more: &[&str]) {
    let user = ["ACL", "SETUSER", "sessions", "on", ">hunter2"];
    assert_eq!(redis.cli(&[&user, RIGHTS, more].concat()), "OK");
}

fn with_user(url: &str) -> String {
    url.replacen("://", "://sessions:hunter2@", 1)
}

/// Everything that the store does.
async fn everything(store: &RedisStore) -> Result<(), Error> {
    store.load(KEY).await?;
    for _ in 0..2 {
        every_write(store).await.into_iter().collect::<Result<(), _>>()?;
    }
    store.create(KEY, value(), MINUTE).await?;
    let stale = Seen::new(Bytes::from("00:"), 0..3);
    let _ = store.replace(KEY, &stale, value(), MINUTE).await?;
    let _ = store.delete(KEY, Some(&stale)).await?;
    store.scan("test:", None).await?;
    store.index_list("test:index").await?;
    let _ = store.delete(KEY, None).await?;
    store.time().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_least_rights_can_do_everything() {
    for redis in Redis::all() {
        allow(&redis, &[]);
        let store = RedisStore::connect_with(&with_user(&redis.url()), &patient()).await.unwrap();
        everything(&store).await.unwrap();
        redis.cli(&["SCRIPT", "FLUSH"]);
        everything(&store).await.unwrap();
        assert!(store.load("other:key").await.unwrap_err().to_string().contains("lacks the permission"));
        let fenced = patient().with_fenced_reads(true);
        let fenced = RedisStore::connect_with(&with_user(&redis.url()), &fenced).await.unwrap();
        assert!(fenced.load(KEY).await.is_err());
        allow(&redis, &["+getex"]);
        everything(&fenced).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_the_rights_is_superfluous() {
    for redis in Redis::all() {
        for right in RIGHTS.iter().filter(|right| right.starts_with('+')) {
            allow(&redis, &[&right.replacen('+', "-", 1)]);
            redis.cli(&["SCRIPT", "FLUSH"]);
            let store = RedisStore::connect_with(&with_user(&redis.url()), &patient()).await.unwrap();
            let error = everything(&store).await.expect_err(right);
            assert_unavailable(&error);
            redis.cli(&["FLUSHALL"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_needs_one_right_more() {
    let sentinel = Sentinel::start(RedisKind::New);
    let primary = sentinel.primary();
    allow(primary, &[]);
    let url = with_user(&sentinel.url());
    let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
    assert!(error.to_string().contains("lacks the permission"), "{error}");
    allow(primary, &["+role"]);
    everything(&RedisStore::connect_with(&url, &patient()).await.unwrap()).await.unwrap();
    allow(primary, &["+role", "+wait"]);
    let waiting = patient().with_replicas(2, MINUTE);
    everything(&RedisStore::connect_with(&url, &waiting).await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_needs_two_rights_more() {
    let cluster = Cluster::start(RedisKind::New);
    for node in cluster.nodes() {
        allow(node, &["+cluster|slots", "+asking"]);
    }
    let store = RedisStore::connect_with(&with_user(&cluster.url()), &patient()).await.unwrap();
    everything(&store).await.unwrap();
    let to = cluster.begin_moving(KEY);
    everything(&store).await.unwrap();
    cluster.finish_moving(KEY, to);
    everything(&store).await.unwrap();
}
