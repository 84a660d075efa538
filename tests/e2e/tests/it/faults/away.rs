//! Redis is down, hangs, or has lost its data.

use test_servers::{Redis, RedisKind, Trouble};

use super::scene::{DURABLE, Scene, unavailable};
use harness::{Browser, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_refused() {
    for kind in [RedisKind::Old, RedisKind::Valkey] {
        let scene = Scene::over(Redis::with_args(kind, &DURABLE)).await;
        scene.redis().kill();
        scene.only_the_rest_works().await;
        for service in scene.pair.both() {
            let readiness = service.get("/readyz").send().await;
            assert!(readiness.assert_status(503).body.contains("sessions"), "{}", readiness.body);
            assert!(!readiness.body.contains("users"), "{}", readiness.body);
        }
        scene.redis().restart();
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs() {
    let scene = Scene::over(Redis::start(RedisKind::New)).await;
    scene.redis().pause();
    scene.only_the_rest_works().await;
    unavailable([scene.pair.api.get("/readyz"), scene.pair.site.get("/readyz")]).await;
    scene.redis().resume();
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for writes that wait: `make faults`"]
async fn writes_are_paused() {
    let scene = Scene::over(Redis::start(RedisKind::Old)).await;
    assert_eq!(scene.redis().cli(&["CLIENT", "PAUSE", "600000", "WRITE"]), "OK");
    let writes = async {
        scene.writes_fail().await;
        scene.logouts_fail().await;
        scene.logins_fail().await;
    };
    // A waiting write delays nothing else.
    let reads = async {
        for _ in 0..10 {
            scene.reads_work().await;
        }
    };
    tokio::join!(writes, reads);
    scene.rest_works().await;
    assert_eq!(scene.redis().cli(&["CLIENT", "UNPAUSE"]), "OK");
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as the pause: `make faults`"]
async fn everything_is_paused() {
    let scene = Scene::over(Redis::start(RedisKind::Old)).await;
    // Long enough for all requests below.
    assert_eq!(scene.redis().cli(&["CLIENT", "PAUSE", "8000", "ALL"]), "OK");
    scene.only_the_rest_works().await;
    scene.recovers().await;
}

/// The packet filter needs root, so the path to the server goes through a proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_swallows_everything() {
    let (scene, proxy) = Scene::behind_proxy(Redis::start(RedisKind::New)).await;
    proxy.set(Trouble::BlackHole);
    scene.only_the_rest_works().await;
    proxy.set(Trouble::None);
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits until connections are given up: `make faults`"]
async fn a_connection_is_half_open() {
    let (scene, proxy) = Scene::behind_proxy(Redis::start(RedisKind::Old)).await;
    let before = proxy.accepted();
    proxy.forget();
    // Both services detect by themselves that a new connection reaches the server.
    scene.recovers().await;
    assert!(proxy.accepted() >= before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_end() {
    let (scene, proxy) = Scene::behind_proxy(Redis::start(RedisKind::Old)).await;
    for _ in 0..5 {
        scene.redis().cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        scene.reads_work().await;
        proxy.cut();
        scene.reads_work().await;
    }
    scene.recovers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarts_without_data() {
    let scene = Scene::over(Redis::start(RedisKind::Old)).await;
    scene.redis().restart();
    scene.are_ready().await;
    // A session that Redis has lost is gone. The services do not delete the cookie, and a read does not restore the
    // session.
    let cookie = scene.ann.session();
    assert_eq!(scene.ann.who(&scene.pair).await, None);
    assert_eq!(scene.ann.session(), cookie);
    assert_eq!(scene.pair.session_keys(), [""; 0]);
    scene.ann.sign_in_at_site(&scene.pair, "demo", "demo-password").await.assert_status(303);
    assert_ne!(scene.ann.session(), cookie);
    assert_eq!(scene.ann.who(&scene.pair).await.as_deref(), Some("demo"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_start_while_redis_is_down_and_say_that_they_are_not_ready() {
    let redis = Redis::start(RedisKind::Old);
    redis.kill();
    let pair = harness::Pair::over(Some(redis), &[]);
    for service in pair.both() {
        service.get("/healthz").send().await.assert_status(200);
        service.get("/readyz").send().await.assert_status(503);
    }
    pair.site.get("/").send().await.assert_status(200);
    pair.redis().restart();
    for service in pair.both() {
        eventually("ready", async || (service.get("/readyz").send().await.status == 200).then_some(())).await;
    }
    let browser = Browser::new();
    browser.sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("demo"));
}
