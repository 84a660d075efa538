//! Wrong or missing data in Redis.

use serde_json::json;
use test_servers::{Redis, RedisKind};

use super::scene::{PATIENT, Scene, signed_in};
use harness::{Backend, Pair, pair::owned};

/// Stands for a list in place of a string.
const LIST: &str = "(a list)";

/// Evicted sessions look like ended ones, so the services warn at their start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_evicted() {
    const WARNING: &str = "set its maxmemory-policy to noeviction";
    let said = |args: &[&str], acl: &[&str]| {
        let redis = Redis::with_args(RedisKind::Old, args);
        if !acl.is_empty() {
            assert_eq!(redis.cli(acl), "OK");
        }
        let pair = Pair::over(Some(redis), &owned(&[]));
        pair.both().map(|service| {
            let output = service.output();
            assert!(!output.contains("ERROR"), "{output}");
            output.lines().filter(|line| line.contains("WARN") && line.contains(WARNING)).count()
        })
    };
    for policy in ["allkeys-lru", "volatile-ttl"] {
        assert_eq!(said(&["--maxmemory-policy", policy], &[]), [1, 1], "{policy}");
    }
    assert_eq!(said(&["--maxmemory-policy", "noeviction"], &[]), [0, 0]);
    // Without the permission to read the policy there is no warning.
    let forbidden = ["ACL", "SETUSER", "default", "-info"];
    assert_eq!(said(&["--maxmemory-policy", "allkeys-lru"], &forbidden), [0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_forgotten() {
    for kind in RedisKind::ALL {
        let scene = Scene::patient(Redis::start(kind)).await;
        let flush = || assert_eq!(scene.redis().cli(&["SCRIPT", "FLUSH"]), "OK");
        flush();
        scene.ann.set_preference(&scene.pair, "b", &json!(2)).await;
        flush();
        scene.ann.get(&scene.pair.site, "/").await.assert_status(200);
        assert_eq!(scene.visits().await, 1);
        flush();
        let other = signed_in(&scene.pair).await;
        flush();
        scene.signs_out_at_both(&other).await;
        scene.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_unreadable() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[PATIENT]);
    for garbage in ["garbage", "", "{}", r#"{"v":2}"#, LIST] {
        let (ann, bob) = (signed_in(&pair).await, signed_in(&pair).await);
        let keys = [&ann, &bob].map(|browser| format!("shared_session:{}", &browser.session().unwrap()[..24]));
        let page = bob.get(&pair.site, "/profile").await;
        for key in &keys {
            assert_eq!(pair.redis().cli(&["EXISTS", key]), "1");
            pair.redis().cli(&["DEL", key]);
            match garbage {
                LIST => pair.redis().cli(&["RPUSH", key, "garbage"]),
                _ => pair.redis().cli(&["SET", key, garbage]),
            };
            pair.redis().cli(&["PEXPIRE", key, "100000000"]);
        }
        for request in [
            pair.api.get("/api/me"),
            pair.api.get("/api/preferences"),
            pair.api.put("/api/preferences/a").json(&json!(2)),
            pair.api.post("/api/visits"),
            pair.site.get("/"),
            pair.site.get("/profile"),
        ] {
            let answer = ann.prepare(request).send().await;
            answer.assert_status(500).assert_no_session_cookie();
            assert!(garbage.len() < 3 || !answer.body.contains(garbage), "{}", answer.body);
        }
        match garbage {
            LIST => assert_eq!(pair.redis().cli(&["LRANGE", &keys[0], "0", "-1"]), "garbage", "it was overwritten"),
            _ => assert_eq!(pair.redis().cli(&["GET", &keys[0]]), garbage, "it was overwritten"),
        }
        ann.get(&pair.api, "/api/public").await.assert_status(200);

        // A login gets another handle, a logout deletes the cookie.
        let old = ann.session().unwrap();
        if garbage.is_empty() {
            ann.sign_in_at_site(&pair, "demo", "demo-password").await.assert_status(303);
        } else {
            ann.sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
        }
        assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"));
        assert_ne!(ann.session().unwrap()[..24], old[..24]);
        if garbage.is_empty() {
            bob.sign_out_at_api(&pair).await.assert_status(204);
        } else {
            // The same at site, with an earlier form, whose token cannot be checked against the record.
            let answer = bob.submit(&pair.site, &page, "/logout", &[]).await;
            answer.assert_status(303);
        }
        assert_eq!(bob.session(), None, "the cookie is deleted");
        assert_eq!(bob.who(&pair).await, None);
    }
}
