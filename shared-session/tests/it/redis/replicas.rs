//! Writes that wait for replicas, and reads that a primary without replicas refuses.

use test_servers::{Cluster, Sentinel};

use super::*;

/// A primary and its replica.
fn pair(kind: RedisKind, args: &[&str]) -> (Redis, Redis) {
    let primary = Redis::with_args(kind, &[&["--repl-diskless-sync-delay", "0"], args].concat());
    let replica = Redis::with_args(kind, &["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    until(|| replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    until(|| primary.cli(&["INFO", "replication"]).contains("state=online"));
    (primary, replica)
}

#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not in 20 seconds");
}

fn waiting() -> RedisConfig {
    patient().with_replicas(1, MINUTE)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_when_writes_wait_for_replicas() {
    for kind in RedisKind::ALL {
        let (primary, _replica) = pair(kind, &[]);
        store_contract(RedisStore::connect_with(&primary.url(), &waiting()).await.unwrap()).await;
    }
    let cluster = Cluster::start(RedisKind::Valkey);
    store_contract(RedisStore::connect_with(&cluster.url(), &waiting()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_waits_and_no_read_that_finds_something() {
    for kind in RedisKind::ALL {
        let (primary, replica) = pair(kind, &[]);
        let mut stores = vec![RedisStore::connect_with(&primary.url(), &waiting()).await.unwrap()];
        #[cfg(feature = "deadpool")]
        stores.push(RedisStore::from_pool(contract::pool(&primary.url()), &waiting()));
        for store in stores {
            for _ in 0..5 {
                // All connections detect the server's features.
                every_write(&store).await.into_iter().collect::<Result<(), _>>().unwrap();
            }
            commands(&primary);
            every_write(&store).await.into_iter().collect::<Result<(), _>>().unwrap();
            // The last delete finds no key, and the replicas must confirm that too.
            assert_eq!(commands(&primary).get("wait"), Some(&7), "{kind:?}");
            store.create(KEY, value(), MINUTE).await.unwrap();
            assert_eq!(replica.cli(&["EXISTS", KEY]), "1");
            commands(&primary);
            store.load(KEY).await.unwrap();
            store.scan("test:", None).await.unwrap();
            assert_eq!(commands(&primary).get("wait"), None);
            let _ = store.delete(KEY, None).await.unwrap();
        }
    }
}

/// Replicas must not repeat the comparison of a server's compare-and-set.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_has_replaced_values() {
    for kind in RedisKind::ALL {
        let (primary, replica) = pair(kind, &[]);
        let store = RedisStore::connect_with(&primary.url(), &waiting()).await.unwrap();
        store.create(KEY, value(), MINUTE).await.unwrap();
        let next = Bytes::from_static(b"02:another");
        assert_eq!(store.replace(KEY, &seen(), next, 10 * MINUTE).await.unwrap(), Replaced::Stored);
        assert!(matches!(store.replace(KEY, &seen(), value(), MINUTE).await.unwrap(), Replaced::Conflict(_)));
        assert_eq!(replica.cli(&["GET", KEY]), "02:another", "{kind:?}");
        assert!(replica.cli(&["PTTL", KEY]).parse::<u64>().unwrap() > 5 * 60_000, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_no_replica_confirms_is_an_error_and_not_looked_up() {
    for kind in RedisKind::ALL {
        let (primary, replica) = pair(kind, &[]);
        let config = patient().with_replicas(1, Duration::from_millis(50));
        let mut stores = vec![RedisStore::connect_with(&primary.url(), &config).await.unwrap()];
        #[cfg(feature = "deadpool")]
        stores.push(RedisStore::from_pool(contract::pool(&primary.url()), &config));
        replica.pause();
        for store in &stores {
            // Repeated, because neither an older write nor a delete of nothing may count as the confirmation.
            for _ in 0..3 {
                for result in every_write(store).await {
                    let error = result.unwrap_err();
                    assert_unavailable(&error);
                    assert_eq!(error.to_string(), "too few Redis replicas confirmed the write in time", "{kind:?}");
                    assert!(!error.is_undecided(), "the data of the primary does not count");
                }
            }
            store.create(KEY, value(), MINUTE).await.unwrap_err();
            assert!(store.load(KEY).await.unwrap().is_some(), "the primary has it");
            store.delete(KEY, None).await.unwrap_err();
        }
        let store = RedisStore::connect_with(&primary.url(), &config).await.unwrap();
        store.create("test:once", value(), MINUTE).await.unwrap_err();
        for _ in 0..10 {
            // The first attempt deleted it; reporting that requires its confirmation.
            store.delete("test:once", None).await.unwrap_err();
        }
        replica.resume();
        primary.wait_for_replicas(1);
        for store in stores {
            // On a busy machine the replica may not run while a write waits here.
            while store.delete(KEY, None).await.is_err() {}
        }
    }
}

/// Otherwise a repeated sign-out at another service would be confirmed, and a failover would bring the session back.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_says_that_a_key_is_gone_only_when_the_replicas_know() {
    gone_is_said_only_when_the_replicas_know(async |store| Ok(store.load(KEY).await?.is_none())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_says_that_a_key_is_gone_only_when_the_replicas_know() {
    for part in [None, Some(seen())] {
        let delete = async |store: RedisStore| Ok(store.delete(KEY, part.as_ref()).await? == Deleted::Gone);
        gone_is_said_only_when_the_replicas_know(delete).await;
    }
}

/// `ask` checks whether the key is gone. Each check comes from a service that has written nothing, because a connection
/// waits for its own writes anyway.
async fn gone_is_said_only_when_the_replicas_know(ask: impl AsyncFn(RedisStore) -> Result<bool, Error>) {
    for kind in RedisKind::ALL {
        let (primary, replica) = pair(kind, &[]);
        let config = patient().with_replicas(1, Duration::from_millis(50));
        let service = || RedisStore::connect_lazy(&primary.url(), &config).unwrap();
        primary.cli(&["SET", KEY, VALUE]);
        primary.wait_for_replicas(1);
        replica.pause();
        service().delete(KEY, None).await.unwrap_err();
        assert_eq!(primary.cli(&["EXISTS", KEY]), "0");
        let asked_again = service();
        for store in [service(), asked_again.clone(), asked_again.clone(), asked_again.clone()] {
            assert_unavailable(&ask(store).await.unwrap_err());
        }
        replica.resume();
        primary.wait_for_replicas(1);
        // On a busy machine the replica may not run while it waits here.
        let gone = loop {
            if let Ok(gone) = ask(service()).await {
                break gone;
            }
        };
        assert!(gone, "{kind:?}");
        assert_eq!((primary.cli(&["DBSIZE"]), replica.cli(&["EXISTS", KEY])), ("0".into(), "0".into()), "{kind:?}");
    }
}

/// The write that enables the wait must not harm a session that was created meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_there_again_is_left_as_it_is() {
    let script = include_str!("../../../src/store/redis/confirm_absent.lua");
    for redis in Redis::all() {
        redis.cli(&["SET", KEY, VALUE, "PX", "60000"]);
        assert_eq!(redis.cli(&["EVAL", script, "1", KEY]), "1");
        assert_eq!(redis.cli(&["GET", KEY]), VALUE);
        assert_ne!(redis.cli(&["PTTL", KEY]), "-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_primary_does_not_make_a_waiting_write_undecided() {
    let (primary, _replica) = pair(RedisKind::New, &[]);
    let config = impatient().with_replicas(1, Duration::from_millis(50));
    let store = RedisStore::connect_with(&primary.url(), &config).await.unwrap();
    store.create(KEY, value(), MINUTE).await.unwrap();
    primary.pause();
    let error = store.delete(KEY, None).await.unwrap_err();
    primary.resume();
    assert_unavailable(&error);
    assert!(!error.is_undecided(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_read_is_refused_by_a_primary_without_replicas() {
    for kind in RedisKind::ALL {
        let redis = Redis::with_args(kind, &[]);
        let (plain, fenced) = (connect(&redis).await, fenced(&redis).await);
        plain.create(KEY, value(), MINUTE).await.unwrap();
        let ttl = redis.cli(&["PTTL", KEY]).parse::<u64>().unwrap();
        commands(&redis);
        assert_eq!(fenced.load(KEY).await.unwrap(), Some(value()));
        assert_eq!(fenced.load("test:absent").await.unwrap(), None);
        assert_eq!(commands(&redis), counts([("getex", 2)]));
        assert!(redis.cli(&["PTTL", KEY]).parse::<u64>().unwrap() <= ttl, "it touches nothing");
        assert_ne!(redis.cli(&["PTTL", KEY]), "-1");
        redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
        assert!(plain.load(KEY).await.unwrap().is_some());
        let error = fenced.load(KEY).await.unwrap_err();
        assert_unavailable(&error);
        assert!(error.to_string().contains("too few replicas"), "{error}");
        redis.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
        assert!(fenced.load(KEY).await.unwrap_err().to_string().contains("replica"), "{kind:?}");
    }
}

async fn fenced(redis: &Redis) -> RedisStore {
    RedisStore::connect_with(&redis.url(), &patient().with_fenced_reads(true)).await.unwrap()
}

/// A service that reaches only the old primary and no Sentinel.
#[tokio::test(flavor = "multi_thread")]
async fn fenced_reads_stop_old_answers_of_a_primary_that_was_paused() {
    let args = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
    let sentinel = Sentinel::with_args(RedisKind::Old, &args);
    let old = sentinel.primary();
    let (plain, fenced) = (connect(old).await, fenced(old).await);
    plain.create(KEY, value(), MINUTE).await.unwrap();
    old.wait_for_replicas(2);
    old.pause();
    sentinel.wait_for_another_than(old);
    until(|| sentinel.primary().cli(&["DEL", KEY]) != "0");
    old.resume();
    let (mut from_the_past, mut asked) = ([0, 0], 0);
    loop {
        let answers = [plain.load(KEY).await, fenced.load(KEY).await];
        asked += 1;
        for (count, answer) in from_the_past.iter_mut().zip(&answers) {
            *count += usize::from(matches!(answer, Ok(Some(_))));
        }
        // Finally the Sentinels make the old primary a replica, which then has the data of the new primary.
        if matches!(answers[0], Ok(None)) {
            break;
        }
        assert!(asked < 100_000);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let [plain, fenced] = from_the_past;
    println!("answers from the past, of {asked}: {plain} plain, {fenced} fenced");
    assert!(plain > 50 && fenced < plain / 5, "{plain} plain, {fenced} fenced");
}
