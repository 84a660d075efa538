//! The nodes of a cluster, each with its share of the keys.

use std::collections::BTreeSet;

use test_servers::Cluster;
use tokio::time::{sleep, timeout};

use super::*;

async fn connect_to(cluster: &Cluster) -> RedisStore {
    RedisStore::connect_with(&cluster.url(), &impatient()).await.unwrap()
}

/// Keys that spread over all nodes.
fn keys() -> impl Iterator<Item = String> {
    (0..300).map(|number| format!("test:key:{number}"))
}

async fn scanned(store: &RedisStore, prefix: &str) -> BTreeSet<String> {
    let (mut found, mut from) = (BTreeSet::new(), None);
    loop {
        let page = store.scan(prefix, from.as_deref()).await.unwrap();
        found.extend(page.keys);
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_a_cluster() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::start(kind);
        store_contract(RedisStore::connect_with(&cluster.url(), &patient()).await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_has_its_share_and_a_scan_finds_all() {
    let cluster = Cluster::start(RedisKind::New);
    let store = connect_to(&cluster).await;
    for key in keys() {
        assert!(store.create(&key, value(), MINUTE).await.unwrap());
    }
    let sizes: Vec<usize> = cluster.nodes()[..3].iter().map(|node| node.cli(&["DBSIZE"]).parse().unwrap()).collect();
    assert!(sizes.iter().all(|&size| size > 50), "{sizes:?}");
    assert_eq!(scanned(&store, "test:key:").await, keys().collect());
    for foreign in ["5", "5@x", "x"] {
        assert_eq!(store.scan("test:", Some(foreign)).await.unwrap_err().kind(), ErrorKind::Config, "{foreign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed_unseen() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::start(kind);
        let store = connect_to(&cluster).await;
        // Keys of one slot: one exists, one is created while the slot moves.
        let (there, new) = ("test:{slot}:there", "test:{slot}:new");
        store.create(there, value(), MINUTE).await.unwrap();
        let to = cluster.begin_moving(there);
        assert_eq!(store.load(there).await.unwrap(), Some(value()));
        assert_eq!(store.load(new).await.unwrap(), None);
        assert_eq!(store.replace(new, &seen(), value(), MINUTE).await.unwrap(), Replaced::Gone);
        assert!(store.create(new, value(), MINUTE).await.unwrap());
        assert!(!store.create(new, value(), MINUTE).await.unwrap());
        assert_eq!(store.replace(new, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        assert_eq!(to.cli(&["DBSIZE"]), "1", "{kind:?}: it is at its new node");
        assert_eq!(store.delete(new, Some(&seen())).await.unwrap(), Deleted::Done);
        store.index_add("test:{slot}:index", "member", StoreTime(u64::MAX)).await.unwrap();
        assert_eq!(store.index_list("test:{slot}:index").await.unwrap(), ["member"]);
        cluster.finish_moving(there, to);
        assert_eq!(store.load(there).await.unwrap(), Some(value()));
        assert_eq!(store.replace(there, &seen(), value(), MINUTE).await.unwrap(), Replaced::Stored);
        let sent_on = redirects(&cluster);
        assert_eq!(store.load(there).await.unwrap(), Some(value()));
        assert_eq!(redirects(&cluster), sent_on, "the map contains it");
    }
}

/// The number of MOVED replies from the nodes.
fn redirects(cluster: &Cluster) -> Vec<String> {
    let stats = cluster.nodes().iter().map(|node| node.cli(&["INFO", "errorstats"]));
    stats.map(|stats| stats.lines().find(|line| line.contains("MOVED")).unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_costs_its_slots_alone_and_its_replica_is_followed() {
    for kind in RedisKind::ALL {
        let cluster = Cluster::with_args(kind, &["--cluster-require-full-coverage", "no"]);
        let store = connect_to(&cluster).await;
        for key in keys() {
            store.create(&key, value(), MINUTE).await.unwrap();
        }
        let old = cluster.owner(KEY);
        old.wait_for_replicas(1);
        let (lost, kept): (Vec<_>, Vec<_>) = keys().partition(|key| cluster.owner(key).port() == old.port());
        old.kill();
        for key in &lost[..10] {
            let error = store.load(key).await.unwrap_err();
            assert_unavailable(&error);
            let error = store.create(key, value(), MINUTE).await.unwrap_err();
            assert_unavailable(&error);
            assert!(!error.is_undecided(), "it was not sent: {error}");
        }
        for key in &kept {
            assert_eq!(store.load(key).await.unwrap(), Some(value()), "{kind:?}");
        }
        store.time().await.unwrap();
        cluster.wait_for_another_than(old);
        for key in lost.iter().chain(&kept) {
            // The map may be as old as the store allows, and nodes may briefly consider each other failed.
            let found = timeout(MINUTE, async {
                loop {
                    match store.load(key).await {
                        Ok(found) => return found,
                        Err(error) => assert_unavailable(&error),
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            });
            assert_eq!(found.await.unwrap(), Some(value()), "{kind:?}");
        }
        assert_eq!(scanned(&store, "test:key:").await, keys().collect());
    }
}

/// Its slots are the first ones.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_is_that_of_the_next_primary_while_the_first_one_is_down() {
    let cluster = Cluster::with_args(RedisKind::New, &["--cluster-require-full-coverage", "no"]);
    let store = connect_to(&cluster).await;
    store.time().await.unwrap();
    cluster.owner("06S").kill();
    store.time().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_left_for_its_replica() {
    let cluster = Cluster::start(RedisKind::Valkey);
    let store = connect_to(&cluster).await;
    store.create(KEY, value(), MINUTE).await.unwrap();
    let old = cluster.owner(KEY);
    old.wait_for_replicas(1);
    old.pause();
    assert_unavailable(&store.load(KEY).await.unwrap_err());
    let mut answer = None;
    for _ in 0..60 {
        if let Ok(loaded) = store.load(KEY).await {
            answer = loaded;
            break;
        }
    }
    old.resume();
    assert_eq!(answer, Some(value()));
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_without_a_node_are_an_outage() {
    let cluster = Cluster::start(RedisKind::Old);
    let store = connect_to(&cluster).await;
    let primary = cluster.owner(KEY);
    for node in cluster.nodes().iter().filter(|node| node.port() != primary.port()) {
        node.kill();
    }
    let mut error = None;
    for _ in 0..100 {
        match store.load(KEY).await {
            Err(failed) => {
                assert_unavailable(&failed);
                error = Some(failed);
                break;
            }
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    assert!(error.is_some(), "an isolated node replies CLUSTERDOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_says_how_to_connect() {
    let cluster = Cluster::start(RedisKind::New);
    let elsewhere = keys().find(|key| cluster.owner(key).port() != cluster.nodes()[0].port()).unwrap();
    let error = connect(&cluster.nodes()[0]).await.load(&elsewhere).await.unwrap_err();
    assert_unavailable(&error);
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
}
