//! Failures of the path to the server.

use super::{
    contract::pool,
    proxy::{Fault, Proxy},
    *,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_fails_at_once_and_a_restarted_one_answers_the_next_call() {
    let redis = Redis::start(RedisKind::Old);
    let mut stores = vec![connect(&redis).await];
    stores.push(RedisStore::connect_with(&redis.unix_url(), &patient()).await.unwrap());
    #[cfg(feature = "deadpool")]
    stores.push(RedisStore::from_pool(pool(&redis.url()), &patient()));
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
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        // The end of the connection takes time to arrive; a write that runs at that moment is undecided.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_makes_reads_fail_and_writes_undecided() {
    let redis = Redis::start(RedisKind::New);
    let mut stores = vec![RedisStore::connect_with(&redis.url(), &impatient()).await.unwrap()];
    #[cfg(feature = "deadpool")]
    stores.push(RedisStore::from_pool(pool(&redis.url()), &impatient()));
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
        // A pool tests its connections first, so it is unknown whether the write was sent.
        if write.is_undecided() {
            assert!(until_answered(&store).await.is_some(), "it ran after all");
        }
    }
    let store = RedisStore::connect_with(&redis.url(), &impatient()).await.unwrap();
    redis.pause();
    let writes = every_write(&store).await;
    redis.resume();
    // The first call was sent; then the connection was abandoned.
    let errors = writes.map(Result::unwrap_err);
    assert_eq!(errors.each_ref().map(Error::is_undecided), [true, false, false, false, false, false]);
    assert_eq!(errors.each_ref().map(Error::is_late), [true, false, false, false, false, false]);
    until_answered(&store).await;
}

/// Simulates the preparation of a planned failover.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_holds_writes_back_is_read_from() {
    for redis in Redis::all() {
        let config = RedisConfig::new().with_response_timeout(MINUTE);
        let store = RedisStore::connect_with(&redis.url(), &config).await.unwrap();
        store.create(KEY, value(), MINUTE).await.unwrap();
        assert_eq!(redis.cli(&["CLIENT", "PAUSE", "600000", "WRITE"]), "OK");
        let writes = {
            let store = store.clone();
            tokio::spawn(async move { every_write(&store).await })
        };
        // Wait until the server has the first of them.
        while !redis.cli(&["INFO", "clients"]).contains("blocked_clients:1") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..100 {
            assert_eq!(store.load(KEY).await.unwrap(), Some(value()));
        }
        assert!(!writes.is_finished());
        assert_eq!(redis.cli(&["CLIENT", "UNPAUSE"]), "OK");
        writes.await.unwrap().into_iter().collect::<Result<(), _>>().unwrap();
    }
}

/// Loads until the server has woken up.
async fn until_answered(store: &RedisStore) -> Option<Bytes> {
    for _ in 0..100 {
        if let Ok(answer) = store.load(KEY).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
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
    // The old connection stays silent, even if the proxy forwards new ones.
    store.load(KEY).await.unwrap_err();
    store.load(KEY).await.unwrap_err();
    assert_eq!(store.load(KEY).await.unwrap(), None);
    // Both times, reads use one connection and writes another.
    assert_eq!(proxy.accepted(), 4);
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
            assert_eq!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
            commands(&redis);
            proxy.set(fault);
            let error = store.replace(KEY, &seen(), value(), MINUTE).await.unwrap_err();
            assert!(error.is_undecided(), "{fault:?}: {error}");
            assert_eq!(commands(&redis), a_replace(&redis), "{fault:?}");

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

/// A server that sends one reply to every connection and then nothing: its URL, and the number of connections.
async fn greeting(greeting: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(greeting).await;
            // The connection closes after an error.
            if greeting.is_empty() {
                open.push(stream);
            }
        }
    });
    (url, accepted)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_one_attempt_to_connect() {
    let (url, accepted) = greeting(b"").await;
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
    assert_eq!(accepted.load(Ordering::SeqCst), 2, "one for reads and one for writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_server_that_has_hung_before() {
    let (url, accepted) = greeting(b"").await;
    let config = RedisConfig::new().with_connect_timeout(Duration::from_secs(5)).with_response_timeout(10 * MINUTE);
    let store = RedisStore::connect_lazy(&url, &config).unwrap();
    assert_unavailable(&store.load(KEY).await.unwrap_err());
    for _ in 0..6 {
        // Longer than the pause between attempts.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let error = store.create(KEY, value(), MINUTE).await.unwrap_err();
        assert_unavailable(&error);
        assert!(error.to_string().contains("in time"), "{error}");
        assert!(!error.is_undecided());
    }
    // With an attempt for each call there would be 7 attempts of two connections each.
    assert!(accepted.load(Ordering::SeqCst) <= 6, "{accepted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_allowed_fail_at_once() {
    let redis = Redis::start(RedisKind::New);
    let store = RedisStore::connect_with(&redis.url(), &patient().with_max_calls(8)).await.unwrap();
    redis.pause();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.create(KEY, value(), MINUTE).await })
        })
        .collect();
    // There is no reply until 12 attempts have failed.
    while calls.iter().filter(|call| call.is_finished()).count() < 12 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    redis.resume();
    let (mut answered, mut failed) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(error) => {
                failed += 1;
                assert_unavailable(&error);
                assert_eq!(error.to_string(), "too many calls are waiting for Redis");
                assert!(!error.is_undecided());
            }
        }
    }
    assert_eq!((answered, failed), (8, 12));
    assert!(store.load(KEY).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_loading_is_an_outage_and_not_an_empty_store() {
    // The old server does not answer while it loads the data, small as it is.
    let slow: &[&str] = &["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];
    for kind in [RedisKind::New, RedisKind::Valkey] {
        let redis = Arc::new(Redis::with_args(kind, slow));
        let store = connect(&redis).await;
        store.create(KEY, value(), MINUTE).await.unwrap();
        for number in 0..1500 {
            store.create(&format!("test:{number}"), value(), MINUTE).await.unwrap();
        }
        assert_eq!(redis.cli(&["SAVE"]), "OK");
        let restarting = redis.clone();
        let restart = tokio::task::spawn_blocking(move || restarting.restart());
        let mut loading = 0;
        while !restart.is_finished() {
            match store.load(KEY).await {
                Ok(loaded) => assert_eq!(loaded, Some(value()), "{kind:?}"),
                Err(error) => {
                    assert_unavailable(&error);
                    loading += usize::from(error.to_string().contains("still loading"));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        restart.await.unwrap();
        assert!(loading > 0, "{kind:?} was not seen loading");
        assert_eq!(store.load(KEY).await.unwrap(), Some(value()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_why_there_is_no_connection_is_told() {
    let redis = Redis::with_args(RedisKind::Old, &["--requirepass", "hunter2"]);
    let host = format!("127.0.0.1:{}", redis.port());
    for (url, why) in [
        (format!("redis://{host}"), "it needs a password"),
        (format!("redis://:hunter3@{host}"), "wrong user name or password"),
        ("redis://:hunter2@127.0.0.1:1".to_owned(), "nothing listens at 127.0.0.1:1"),
        ("unix:///nowhere/redis.sock".to_owned(), "nothing listens at /nowhere/redis.sock"),
    ] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        assert_unavailable(&error);
        assert!(error.to_string().contains(why) && !error.to_string().contains("hunter"), "{error}");
    }
    let error = RedisStore::connect(&format!("redis://:hunter2@{host}/99")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no database of the number"), "{error}");
    let (silent, _) = greeting(b"").await;
    let hurried = RedisConfig::new().with_connect_timeout(Duration::from_millis(100));
    let error = RedisStore::connect_with(&silent, &hurried).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("no answer came in time"), "{error}");
    let connected = RedisStore::connect(&format!("redis://:hunter2@{host}/1")).await.unwrap();
    connected.time().await.unwrap();

    redis.cli(&["CONFIG", "SET", "maxclients", "1"]);
    for _ in 0..20 {
        let error = RedisStore::connect(&format!("redis://:hunter2@{host}")).await.unwrap_err();
        assert_unavailable(&error);
        assert_eq!(error.to_string(), "Redis refuses connections: too many clients (maxclients)");
    }
    connected.time().await.unwrap();
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

/// It would be as good as any other to the pool.
#[cfg(feature = "deadpool")]
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_pool_to_what_has_become_a_replica_is_not_put_back() {
    let redis = Redis::start(RedisKind::Old);
    let pool = pool(&redis.url());
    let store = RedisStore::from_pool(pool.clone(), &patient());
    assert_eq!(store.load(KEY).await.unwrap(), None);
    redis.cli(&["LPUSH", "test:list", "an element"]);
    assert_eq!(store.load("test:list").await.unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(pool.status().size, 1, "an answer is an answer");
    assert_eq!(redis.cli(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
    assert_unavailable(&store.create(KEY, value(), MINUTE).await.unwrap_err());
    assert_eq!(pool.status().size, 0);
}
