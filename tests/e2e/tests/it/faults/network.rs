//! The path to Redis is slow or loses replies.

use std::time::Duration;

use serde_json::json;
use test_servers::{Redis, RedisKind, Trouble};

use super::scene::{PATIENT, Scene, assert_unavailable};
use harness::{Answer, Browser, PATIENCE, browser::owner_of, eventually, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for slow answers: `make faults`"]
async fn redis_is_slow() {
    let (mut scene, proxy) = Scene::behind_proxy_with(Redis::start(RedisKind::New), &[PATIENT]).await;
    for trouble in [Trouble::Slow(Duration::from_millis(20)), Trouble::Slice] {
        proxy.set(trouble);
        scene.reads_work().await;
        scene.ann.set_preference(&scene.pair, "b", &json!(format!("{trouble:?}"))).await;
        assert_eq!(scene.ann.preferences(&scene.pair).await["b"], format!("{trouble:?}"));
        scene.rest_works().await;
    }
    // Slower than any time-out of the services and tests.
    proxy.set(Trouble::None);
    scene.pair.restart(&[("SESSION_TIMEOUT_MS", "300")]);
    scene.are_ready().await;
    proxy.set(Trouble::Slow(PATIENCE));
    scene.only_the_rest_works().await;
    proxy.set(Trouble::None);
    scene.recovers().await;
}

/// On this server writes are scripts, and so is the end of a session.
const WRITE: &str = "EVALSHA";
const ROUNDS: usize = 4;

/// A request answered with 503 may have written or not, but never twice. When the path works again, the service reads
/// back to find out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits until connections are given up: `make faults`"]
async fn replies_are_lost() {
    let (scene, proxy) = Scene::behind_proxy(Redis::start(RedisKind::Old)).await;
    let mut known = 0;
    for trouble in [Trouble::LoseRepliesTo(WRITE), Trouble::CutRepliesTo(WRITE)] {
        for round in 0..ROUNDS {
            let before = scene.visits().await;
            proxy.set(trouble);
            let at_api = round % 2 == 0;
            let request = if at_api { scene.pair.api.post("/api/visits") } else { scene.pair.site.get("/") };
            let answer = scene.ann.prepare(request).send().await;
            proxy.set(Trouble::None);
            // The client gives up a deaf connection after a while.
            scene.recovers_reading().await;
            let after = scene.visits().await;
            if answer.status == 503 {
                assert_unavailable(&answer);
                assert!([before, before + 1].contains(&after), "{trouble:?}: {before}, then {after}");
            } else {
                known += 1;
                assert_eq!(counted(&answer, at_api), before + 1, "{trouble:?}");
                assert_eq!(after, before + 1, "{trouble:?}");
            }
        }
    }
    assert!(known > 0, "the outcome of a lost reply was never checked");
    scene.recovers().await;
}

fn counted(answer: &Answer, at_api: bool) -> u64 {
    answer.assert_status(200);
    if at_api {
        return answer.json()["visits"].as_u64().unwrap();
    }
    html::between(&answer.body, r#"id="visits">"#, "<").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_first_writes_and_sign_outs_are_lost() {
    let (scene, proxy) = Scene::behind_proxy(Redis::start(RedisKind::Old)).await;
    for trouble in [Trouble::LoseRepliesTo("NX"), Trouble::CutRepliesTo("NX")] {
        proxy.set(trouble);
        let visitor = Browser::new();
        let answer = visitor.send(scene.pair.api.post("/api/visits")).await;
        proxy.set(Trouble::None);
        scene.recovers_reading().await;
        if answer.status == 503 {
            assert_unavailable(&answer);
        } else {
            assert_eq!(counted(&answer, true), 1);
            let state = visitor.get(&scene.pair.api, "/api/session").await;
            assert_eq!(state.json()["visits"], 1);
        }
    }
    for trouble in [Trouble::LoseRepliesTo(WRITE), Trouble::CutRepliesTo(WRITE)] {
        let leaver = super::scene::signed_in(&scene.pair).await;
        let session = leaver.session().unwrap();
        proxy.set(trouble);
        let answer = leaver.send(scene.pair.api.post("/api/logout")).await;
        proxy.set(Trouble::None);
        scene.recovers_reading().await;
        if answer.status == 503 {
            assert_unavailable(&answer);
            assert_eq!(leaver.session().as_ref(), Some(&session));
            let again = async || (leaver.send(scene.pair.api.post("/api/logout")).await.status == 204).then_some(());
            eventually("a sign-out", again).await;
        } else {
            answer.assert_status(204);
        }
        assert_eq!(owner_of(&scene.pair, &session).await, None, "{trouble:?}");
    }
    scene.recovers().await;
}
