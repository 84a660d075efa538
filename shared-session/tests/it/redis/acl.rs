//! The least permissions of our Redis user.

use test_servers::{Cluster, Sentinel};

use super::*;

/// The commands of the store. Groups such as `@read` would allow more.
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

/// All operations of the store.
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
async fn without_the_rights_to_write_into_values_large_ones_are_sent_whole() {
    const GUIDE: &str = include_str!("../../../../docs/operations.md");
    let rights = ["+setrange", "+strlen", "+pexpire"];
    assert!(GUIDE.contains(&format!("`{}`", rights.join(" "))));
    let large = |head: &str| Bytes::from([head, &"x".repeat(20_000)].concat());
    for redis in Redis::all() {
        for missing in [None, Some(0), Some(1), Some(2)] {
            let given = rights.iter().enumerate().filter(|(at, _)| Some(*at) != missing).map(|(_, right)| *right);
            redis.cli(&["ACL", "DELUSER", "sessions"]);
            allow(&redis, &given.collect::<Vec<_>>());
            let store = RedisStore::connect_with(&with_user(&redis.url()), &patient()).await.unwrap();
            store.create(KEY, large("01:"), MINUTE).await.unwrap();
            commands(&redis);
            // A record of another writer.
            let stale = store.replace(KEY, &Seen::new(large("00:"), 0..3), large("02:"), MINUTE).await.unwrap();
            assert!(stale == Replaced::Conflict(large("01:")), "{missing:?}: {stale:?}");
            for (from, to) in [("01:", "02:"), ("02:", "03:"), ("03:", "04:")] {
                redis.cli(&["PEXPIRE", KEY, "1000000"]);
                let replaced = store.replace(KEY, &Seen::new(large(from), 0..3), large(to), 60 * MINUTE).await.unwrap();
                assert!(replaced == Replaced::Stored, "{missing:?}: {replaced:?}");
                assert!(store.load(KEY).await.unwrap() == Some(large(to)));
                let ttl: i64 = redis.cli(&["PTTL", KEY]).parse().unwrap();
                assert!(ttl > 59 * 60_000, "{missing:?}: it lives for {ttl} ms after {to}");
            }
            let ran = commands(&redis);
            assert_eq!(ran.contains_key("set"), missing.is_some(), "{missing:?}: {ran:?}");
            assert!(missing.is_none() || ran.get("strlen") <= Some(&2), "repeated STRLEN: {missing:?}: {ran:?}");
            assert_eq!(store.delete(KEY, None).await.unwrap(), Deleted::Done);
        }
    }
}

/// The permissions of a feature beyond [`RIGHTS`], from the guide.
fn rights_for(what: &str) -> Vec<&'static str> {
    const GUIDE: &str = include_str!("../../../../docs/operations.md");
    let row = GUIDE.lines().find_map(|line| line.strip_prefix(&format!("| {what} | "))).expect(what);
    row.split(|c: char| c.is_whitespace() || c == '`').filter(|word| word.starts_with('+')).collect()
}

/// With all of them everything works. Without any one of them `use_it` fails and names it.
async fn needs(what: &str, servers: &[&Redis], use_it: impl AsyncFn() -> Result<(), Error>) {
    let rights: Vec<_> = rights_for(what).into_iter().map(|right| right.replace("\\|", "|")).collect();
    assert!(!rights.is_empty(), "{what}");
    for missing in rights.iter().map(Some).chain([None]) {
        let given: Vec<_> = rights.iter().filter(|right| Some(*right) != missing).map(String::as_str).collect();
        for server in servers {
            assert_eq!(server.cli(&["ACL", "DELUSER", "sessions"]).len(), 1);
            allow(server, &given);
        }
        match (missing, use_it().await) {
            (None, outcome) => outcome.unwrap(),
            (Some(missing), Ok(())) => panic!("{what} works without {missing}"),
            (Some(missing), Err(error)) => {
                assert_unavailable(&error);
                let command = missing.split('|').next().unwrap();
                let wanted = format!("lacks the permission (ACL) {command}");
                assert!(error.to_string().contains(&wanted), "{what} without {missing}: {error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_feature_needs_the_permissions_in_the_guide() {
    for redis in Redis::all() {
        let url = with_user(&redis.url());
        let connect = async |url: &str, config| RedisStore::connect_with(url, &config).await;
        needs("fenced reads", &[&redis], async || {
            everything(&connect(&url, patient().with_fenced_reads(true)).await?).await
        })
        .await;
        needs("a database number other than 0", &[&redis], async || {
            everything(&connect(&format!("{url}1"), patient()).await?).await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_need_the_permissions_in_the_guide() {
    for kind in [RedisKind::Old, RedisKind::New] {
        let sentinel = Sentinel::start(kind);
        let (servers, url) = (sentinel.servers().iter().collect::<Vec<_>>(), with_user(&sentinel.url()));
        needs("Sentinel", &servers, async || everything(&RedisStore::connect_with(&url, &patient()).await?).await)
            .await;
        let direct = with_user(&sentinel.primary().url());
        needs("writes that wait for replicas", &servers, async || {
            everything(&RedisStore::connect_with(&direct, &patient().with_replicas(2, MINUTE)).await?).await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_needs_the_permissions_in_the_guide() {
    let cluster = Cluster::start(RedisKind::New);
    let url = with_user(&cluster.url());
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    needs("a cluster", &nodes, async || {
        let store = RedisStore::connect_with(&url, &patient()).await?;
        everything(&store).await?;
        let to = cluster.begin_moving(KEY);
        let outcome = everything(&store).await;
        cluster.finish_moving(KEY, to);
        outcome?;
        everything(&store).await
    })
    .await;
}
