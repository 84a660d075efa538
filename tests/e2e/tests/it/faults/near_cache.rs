//! The fault that only the near cache has.

use serde_json::json;
use test_servers::{Redis, RedisKind, Trouble};

use super::scene::{DURABLE, Scene};
use harness::{Kind, browser::owner_of, eventually};

/// The cache drops everything when the connection that announces changes is lost. While Redis is unreachable, cached
/// sessions are served only briefly, and a session that has ended meanwhile is never served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tracking_connection_is_lost() {
    let (scene, proxy) =
        Scene::behind_proxy_with(Redis::with_args(RedisKind::New, &DURABLE), &[("NEAR_CACHE", "on")]).await;
    // A service with a separate, undisturbed path to Redis.
    let direct = scene.pair.one_more_with(Kind::Api, &[("SESSION_URL", &scene.redis().url()), ("NEAR_CACHE", "off")]);
    let session = scene.ann.session().unwrap();
    for round in 0..3 {
        scene.reads_work().await;
        proxy.cut();
        scene.ann.send(direct.put("/api/preferences/b").json(&json!(round))).await.assert_status(204);
        // All services see it within the bound of the cache.
        let seen = async || (scene.ann.preferences(&scene.pair).await["b"] == round).then_some(());
        eventually("the change", seen).await;
    }
    scene.reads_work().await;
    proxy.set(Trouble::Hold);
    scene.ann.prepare(direct.post("/api/logout")).send().await.assert_status(204);
    for service in scene.pair.both() {
        let path = if service.kind() == Kind::Api { "/api/me" } else { "/profile" };
        let refused = async || (service.get(path).session(&session).send().await.status == 503).then_some(());
        eventually("nothing from the cache", refused).await;
    }
    scene.rest_works().await;
    proxy.set(Trouble::None);
    scene.are_ready().await;
    assert_eq!(owner_of(&scene.pair, &session).await, None);
}
