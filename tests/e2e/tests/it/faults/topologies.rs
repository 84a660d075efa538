//! Deployments with more than one server.

use serde_json::json;
use test_servers::{Cluster, Proxy, Redis, RedisKind, Sentinel, Trouble};

use super::scene::{PATIENT, Scene, signed_in};
use harness::{
    Browser, Pair,
    browser::owner_of,
    eventually,
    pair::{SECRET_KEY, owned},
};

async fn scene_on(url: &str, settings: &[(&str, &str)]) -> Scene {
    let settings = [&[("SESSION_URL", url), ("SECRET_KEY", SECRET_KEY)], settings].concat();
    Scene::on(Pair::over(None, &owned(&settings))).await
}

/// For a cluster without failures: a busy machine must not look like one.
const STEADY: [&str; 2] = ["--cluster-node-timeout", "60000"];

fn key_of(browser: &Browser) -> String {
    format!("shared_session:{}", &browser.session().unwrap()[..24])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "starts a cluster: `make faults`"]
async fn a_cluster_slot_has_moved() {
    let cluster = Cluster::with_args(RedisKind::Old, &STEADY);
    let scene = scene_on(&cluster.url(), &[PATIENT]).await;
    let key = key_of(&scene.ann);
    for round in 0..2 {
        let to = cluster.begin_moving(&key);
        cluster.finish_moving(&key, to);
        scene.reads_work().await;
        scene.ann.set_preference(&scene.pair, "b", &json!(round)).await;
        assert_eq!(scene.ann.preferences(&scene.pair).await["b"], round);
    }
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "starts a cluster: `make faults`"]
async fn a_cluster_slot_is_migrating() {
    let cluster = Cluster::with_args(RedisKind::New, &STEADY);
    let scene = scene_on(&cluster.url(), &[PATIENT]).await;
    let key = key_of(&scene.ann);
    let from = cluster.owner(&key);
    let to = cluster.begin_moving(&key);
    let uses_it = async |value: u32| {
        scene.reads_work().await;
        scene.ann.set_preference(&scene.pair, "b", &json!(value)).await;
        scene.ann.get(&scene.pair.site, "/").await.assert_status(200);
        assert_eq!(scene.ann.preferences(&scene.pair).await["b"], value);
    };
    uses_it(1).await;
    // The key has moved before its slot: the old owner redirects.
    assert_eq!(from.cli(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &key, "0", "5000"]), "OK");
    uses_it(2).await;
    cluster.finish_moving(&key, to);
    uses_it(3).await;
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a failover: `make faults`"]
async fn a_cluster_primary_is_killed() {
    let cluster = Cluster::start(RedisKind::Old);
    let scene = scene_on(&cluster.url(), &[PATIENT]).await;
    let old = cluster.owner(&key_of(&scene.ann));
    let elsewhere = visitor_elsewhere(&scene, &cluster, old).await;
    old.wait_for_replicas(1);
    old.kill();
    scene.reads_fail().await;
    scene.rest_works().await;
    // The other slots still work, at least until the nodes have noticed the failure.
    elsewhere.get(&scene.pair.api, "/api/preferences").await.assert_status(200);
    cluster.wait_for_another_than(old);
    scene.recovers().await;
    let back = async || (elsewhere.get(&scene.pair.api, "/api/preferences").await.status == 200).then_some(());
    eventually("the other slots", back).await;
    assert_eq!(elsewhere.preferences(&scene.pair).await["a"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a cluster to notice: `make faults`"]
async fn a_cluster_slot_is_uncovered() {
    let cluster = Cluster::with_args(RedisKind::Old, &["--cluster-require-full-coverage", "no"]);
    let scene = scene_on(&cluster.url(), &[PATIENT]).await;
    let old = cluster.owner(&key_of(&scene.ann));
    let elsewhere = visitor_elsewhere(&scene, &cluster, old).await;
    let at = cluster.nodes().iter().position(|node| node.port() == old.port()).unwrap();
    cluster.nodes()[at + 3].kill();
    old.kill();
    scene.reads_fail().await;
    scene.rest_works().await;
    let noticed = async || {
        let others = cluster.nodes().iter().filter(|node| node.id().is_some());
        others.into_iter().all(|node| node.cli(&["CLUSTER", "NODES"]).contains("master,fail ")).then_some(())
    };
    eventually("nodes that know", noticed).await;
    scene.reads_fail().await;
    scene.rest_works().await;
    elsewhere.get(&scene.pair.api, "/api/preferences").await.assert_status(200);
    elsewhere.set_preference(&scene.pair, "b", &json!(2)).await;
    assert_eq!(scene.ann.session().map(|cookie| cookie.len()), Some(56), "nobody was signed out");
}

/// A signed-in visitor whose session is at another node than `node`.
async fn visitor_elsewhere(scene: &Scene, cluster: &Cluster, node: &Redis) -> Browser {
    loop {
        let visitor = Browser::new();
        visitor.set_preference(&scene.pair, "a", &json!(1)).await;
        if cluster.owner(&key_of(&visitor)).port() != node.port() {
            return visitor;
        }
    }
}

/// A paused primary comes back after its successor was elected. A connection to the successor does not switch back, and
/// data at the successor is not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a failover: `make faults`"]
async fn sentinels_replace_a_paused_primary() {
    let sentinel = Sentinel::start(RedisKind::Old);
    // Long enough for a busy machine, and short enough for the test to wait.
    let scene = scene_on(&sentinel.url(), &[("SESSION_TIMEOUT_MS", "3000")]).await;
    let old = sentinel.primary();
    old.wait_for_replicas(2);
    old.pause();
    scene.reads_fail().await;
    scene.rest_works().await;
    sentinel.wait_for_another_than(old);
    scene.recovers_reading().await;
    let stored = async || {
        let request = scene.ann.prepare(scene.pair.api.put("/api/preferences/b").json(&json!(2)));
        (request.send().await.status == 204).then_some(())
    };
    eventually("a write at the successor", stored).await;
    old.resume();
    // The old primary does not have the data.
    for _ in 0..20 {
        assert_eq!(scene.ann.preferences(&scene.pair).await["b"], 2);
        scene.ann.get(&scene.pair.site, "/").await.assert_status(200);
    }
    scene.recovers().await;
}

/// Makes `replica` a replica of `primary`, and returns when it has all data: a primary may report success although it
/// has only sent them.
async fn replicate(primary: &Redis, replica: &Redis, way: &Proxy) {
    primary.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    assert_eq!(replica.cli(&["REPLICAOF", "127.0.0.1", &way.port().to_string()]), "OK");
    let loaded = async || replica.cli(&["INFO", "replication"]).contains("master_link_status:up").then_some(());
    eventually("a replica that is in step", loaded).await;
    primary.wait_for_replicas(1);
}

/// Writes do not wait for replication, so a failover may undo acknowledged ones, even a plain sign-out. The user row
/// survives: a sign-out everywhere else remains valid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "copies data between servers: `make faults`"]
async fn a_failover_loses_what_no_replica_has() {
    let (primary, replica) = (Redis::start(RedisKind::Old), Redis::start(RedisKind::Old));
    let replication = Proxy::to(primary.port());
    let way = Proxy::to(primary.port());
    let scene = scene_on(&way.redis_url(), &[PATIENT]).await;
    let other = signed_in(&scene.pair).await;
    replicate(&primary, &replica, &replication).await;

    // From here on the replica receives nothing.
    replication.set(Trouble::Hold);
    let page = scene.ann.get(&scene.pair.site, "/sessions").await;
    scene.ann.submit(&scene.pair.site, &page, "/sessions/revoke-others", &[]).await.assert_status(303);
    let ended = other.session().unwrap();
    assert_eq!(owner_of(&scene.pair, &ended).await, None);
    assert_eq!(primary.cli(&["EXISTS", &key_of(&other)]), "0");
    primary.kill();
    assert_eq!(replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    way.lead_to(replica.port());

    // The record has come back, but it does not sign anyone in.
    assert_eq!(replica.cli(&["EXISTS", &key_of(&other)]), "1");
    scene.are_ready().await;
    assert_eq!(owner_of(&scene.pair, &ended).await, None);
    let newcomer = signed_in(&scene.pair).await;
    assert_eq!(newcomer.who(&scene.pair).await.as_deref(), Some("demo"));
}

/// `SESSION_REPLICAS` and `SESSION_FENCED_READS`: a write that no replica has is not acknowledged, and a server that
/// refuses writes is not read from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_where_writes_wait_for_a_replica() {
    let (primary, replica) = (Redis::start(RedisKind::Old), Redis::start(RedisKind::Old));
    let replication = Proxy::to(primary.port());
    replicate(&primary, &replica, &replication).await;
    // From now on a write waits for a replica, but not for long.
    let mut scene = Scene::with(primary, &[PATIENT]).await;
    scene.pair.restart(&[("SESSION_REPLICAS", "1"), ("SESSION_FENCED_READS", "on")]);

    replication.set(Trouble::Hold);
    scene.reads_work().await;
    scene.writes_fail().await;
    scene.logins_fail().await;
    scene.logouts_fail().await;
    // The session is now gone for reads, but this must not be confirmed: a failover would bring it back.
    scene.logouts_fail().await;
    scene.rest_works().await;
    replication.set(Trouble::None);
    scene.redis().cli(&["CONFIG", "SET", "min-replicas-to-write", "2"]);
    scene.only_the_rest_works().await;
    scene.redis().cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    scene.recovers().await;
}
