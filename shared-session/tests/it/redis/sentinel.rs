//! The primary that the Sentinels name, and its successors.

use test_servers::Sentinel;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_sentinel() {
    let sentinel = Sentinel::start(RedisKind::Valkey);
    store_contract(RedisStore::connect_with(&sentinel.url(), &patient()).await.unwrap()).await;
}

/// Writes until it succeeds, and returns the number of failures. Each failure must be `Unavailable`.
async fn until_written(store: &RedisStore, key: &str) -> usize {
    for failures in 0..10_000 {
        match store.create(key, value(), MINUTE).await {
            Ok(_) => return failures,
            Err(error) => assert_unavailable(&error),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store did not recover");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_followed_to_its_successor() {
    for kind in RedisKind::ALL {
        let sentinel = Sentinel::start(kind);
        let store = RedisStore::connect_with(&sentinel.url(), &impatient()).await.unwrap();
        store.create(KEY, value(), MINUTE).await.unwrap();
        let old = sentinel.primary();
        old.wait_for_replicas(2);
        old.kill();
        assert_unavailable(&store.load(KEY).await.unwrap_err());
        sentinel.wait_for_another_than(old);
        until_written(&store, "test:after").await;
        assert_eq!(store.load(KEY).await.unwrap(), Some(value()));
        assert_eq!(sentinel.primary().cli(&["EXISTS", "test:after"]), "1", "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_made_though_sentinels_are_gone_or_hang() {
    let sentinel = Sentinel::start(RedisKind::New);
    sentinel.kill_sentinel(0);
    sentinel.pause_sentinel(1);
    let store = RedisStore::connect_with(&sentinel.url(), &patient()).await.unwrap();
    assert!(store.create(KEY, value(), MINUTE).await.unwrap());
    sentinel.kill_sentinel(1);
    sentinel.kill_sentinel(2);
    assert!(store.load(KEY).await.unwrap().is_some(), "they are not needed while the primary is there");
    let error = RedisStore::connect(&sentinel.url()).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("nothing listens"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_comes_back_from_a_pause_is_not_asked_again() {
    let sentinel = Sentinel::start(RedisKind::Old);
    let store = RedisStore::connect_with(&sentinel.url(), &impatient()).await.unwrap();
    store.create(KEY, value(), MINUTE).await.unwrap();
    let old = sentinel.primary();
    old.wait_for_replicas(2);
    // The store is idle meanwhile, so only the Sentinels can notify it.
    old.pause();
    sentinel.wait_for_another_than(old);
    assert_eq!(sentinel.primary().cli(&["DEL", KEY]), "1");
    tokio::time::sleep(Duration::from_millis(500)).await;
    old.resume();
    assert_eq!(store.load(KEY).await.unwrap(), None, "the old primary still has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_sentinel_knows_is_told() {
    let sentinel = Sentinel::start(RedisKind::New);
    let url = sentinel.url().replace("/main", "/other");
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("no primary with that name"), "{error}");
}

/// A Sentinel that was unavailable may name the old primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_a_replica_by_its_own_account_is_not_taken() {
    let redis = Redis::start(RedisKind::New);
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let url = stub_sentinel(redis.port()).await;
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("is a replica"), "{error}");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    RedisStore::connect(&url).await.unwrap();
}

/// A Sentinel that always names the server at `port`.
async fn stub_sentinel(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis+sentinel://{}/main", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut asked).await {
                    let asked = String::from_utf8_lossy(&asked[..read]).to_uppercase();
                    if asked.contains("HELLO") {
                        // RESP2, and one reply to each pipelined command.
                        let answers = asked.matches('*').count();
                        stream.write_all("-NOPROTO no\r\n".repeat(answers).as_bytes()).await.unwrap();
                    } else if asked.contains("GET-MASTER-ADDR-BY-NAME") {
                        let port = port.to_string();
                        let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    } else {
                        let answers = asked.matches('*').count();
                        stream.write_all("+OK\r\n".repeat(answers).as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    url
}

/// The Sentinels never get the servers' login, and the servers never get the Sentinels' login.
#[tokio::test(flavor = "multi_thread")]
async fn sentinels_may_want_a_login_of_their_own() {
    for kind in RedisKind::ALL {
        let sentinel = Sentinel::start(kind);
        for server in sentinel.servers() {
            assert_eq!(server.cli(&["ACL", "SETUSER", "reader", "on", ">data@,", "~*", "&*", "+@all"]), "OK");
        }
        let url = sentinel.url().replace("sentinel://", "sentinel://reader:data%40%2C@");
        let with = |query: &str| format!("{url}?{query}");
        RedisStore::connect_with(&url, &patient()).await.unwrap();

        sentinel.command(&["ACL", "SETUSER", "watcher", "on", ">w&t ch", "+@all"]);
        sentinel.command(&["ACL", "SETUSER", "poor", "on", ">poor", "+auth", "+hello", "+client"]);
        let least = "+auth +hello +client +ping +subscribe +psubscribe +sentinel|get-master-addr-by-name";
        let least: Vec<&str> =
            ["ACL", "SETUSER", "least", "on", ">least", "&*"].into_iter().chain(least.split(' ')).collect();
        sentinel.command(&least);
        // The effect of `requirepass secret`.
        sentinel.command(&["ACL", "SETUSER", "default", "resetpass", ">secret"]);

        for good in [
            "sentinel_username=watcher&sentinel_password=w%26t%20ch",
            "sentinel_username=least&sentinel_password=least",
            "sentinel_password=secret",
        ] {
            let store = RedisStore::connect_with(&with(good), &patient()).await.unwrap();
            assert!(store.create(good, value(), MINUTE).await.unwrap(), "{kind:?}");
        }
        for (user, password) in [("watcher", "w&t ch"), ("", "secret")] {
            let config = patient().with_sentinel_login(user, password);
            RedisStore::connect_with(&url, &config).await.unwrap();
        }

        let missing = "a Sentinel refuses the login: it needs a password";
        let wrong = "a Sentinel refuses the login: wrong user name or password";
        for (url, says) in [
            (url.clone(), missing),
            (with("sentinel_password=hunter2"), wrong),
            // The servers' login does not work at the Sentinels.
            (with("sentinel_username=reader&sentinel_password=data%40%2C"), wrong),
            (with("sentinel_username=poor&sentinel_password=poor"), "a Sentinel refuses the command"),
        ] {
            let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
            assert_unavailable(&error);
            assert!(error.to_string().contains(says), "{kind:?}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        // An unavailable Sentinel does not hide the replies of the others.
        sentinel.kill_sentinel(0);
        let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");

        // With a valid login at the Sentinels, the data server's refusal is not reported as theirs.
        let url = with("sentinel_password=secret").replace("data%40%2C", "hunter2");
        let error = RedisStore::connect_with(&url, &patient()).await.unwrap_err();
        assert!(error.to_string().contains("Redis refuses the login: wrong user name"), "{error}");
    }
}

#[tokio::test]
async fn a_login_to_the_sentinels_that_is_given_twice_is_refused() {
    let config = patient().with_sentinel_login("", "hunter2");
    let error = RedisStore::connect_lazy("redis+sentinel://h/main?sentinel_password=hunter2", &config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
