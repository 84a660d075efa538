//! Stores that are down, hang, are full, or hold garbage.

use serde_json::json;
use test_servers::{Postgres, Redis, RedisKind};

use crate::harness::{
    Answer, Backend, Browser, Pair,
    browser::{login_at_api, owner_of},
    eventually,
    pair::owned,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_down_nobody_is_signed_out_and_the_rest_works() {
    for kind in [RedisKind::Old, RedisKind::Valkey] {
        let pair = Pair::start(Backend::Redis(kind));
        let ann = signed_in(&pair).await;
        let token = crate::harness::html::form(&ann.get(&pair.site, "/").await.body, "/logout").remove(0).1;
        pair.redis().kill();

        let api = &pair.api;
        for request in [
            api.get("/api/me"),
            api.get("/api/session"),
            api.get("/api/preferences"),
            api.put("/api/preferences/a").json(&json!(2)),
            api.post("/api/visits"),
            api.post("/api/logout"),
            login_at_api(api, "demo", "demo-password"),
            pair.site.get("/"),
            pair.site.get("/profile"),
            pair.site.get("/sessions"),
            pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &token)]),
        ] {
            let answer = ann.prepare(request).send().await;
            assert_unavailable(&answer);
        }
        // Without a cookie there is nothing to ask for, but something to store.
        assert_unavailable(&api.post("/api/visits").send().await);
        assert_unavailable(&login_at_api(api, "demo", "demo-password").send().await);
        api.get("/api/me").send().await.assert_status(401);
        for request in [api.get("/api/preferences"), pair.site.get("/"), pair.site.get("/login")] {
            request.send().await.assert_status(200);
        }
        for request in
            [api.get("/api/public"), api.get("/healthz"), pair.site.get("/healthz"), api.get("/openapi.json")]
        {
            ann.prepare(request).send().await.assert_status(200);
        }
        for service in pair.both() {
            let readiness = service.get("/readyz").send().await;
            assert!(readiness.assert_status(503).body.contains("sessions"), "{}", readiness.body);
            assert!(!readiness.body.contains("users"), "{}", readiness.body);
        }

        pair.redis().restart();
        for service in pair.both() {
            eventually("ready again", async || (service.get("/readyz").send().await.status == 200).then_some(())).await;
        }
        // What Redis forgot is gone, and that is all.
        assert_eq!(ann.who(&pair).await, None);
        ann.sign_in_at_site(&pair, "demo", "demo-password").await.assert_status(303);
        assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_not_waited_for_and_signs_nobody_out() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    let ann = signed_in(&pair).await;
    pair.redis().pause();
    for request in [
        pair.api.get("/api/me"),
        pair.site.get("/profile"),
        pair.api.put("/api/preferences/b").json(&json!(1)),
        pair.api.get("/readyz"),
    ] {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(15), ann.prepare(request).send()).await;
        let answer = answer.expect("an answer while Redis hangs");
        answer.assert_status(503).assert_no_session_cookie();
    }
    ann.get(&pair.api, "/api/public").await.assert_status(200);
    pair.redis().resume();
    for (service, path) in [(&pair.api, "/api/me"), (&pair.site, "/profile")] {
        let back = async || {
            let answer = ann.get(service, path).await;
            assert!([200, 503].contains(&answer.status), "{path}: {}", answer.status);
            (answer.status == 200).then_some(())
        };
        eventually("an answer after the pause", back).await;
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"));
    ann.set_preference(&pair, "c", &json!(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_full_redis_sessions_are_read_and_ended() {
    for kind in [RedisKind::Old, RedisKind::New, RedisKind::Valkey] {
        let pair = Pair::start(Backend::Redis(kind));
        let (ann, other) = (signed_in(&pair).await, signed_in(&pair).await);
        let token = crate::harness::html::form(&other.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;
        assert_eq!(pair.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");

        assert_eq!(ann.who(&pair).await.as_deref(), Some("demo"));
        assert_eq!(ann.preferences(&pair).await, json!({ "a": 1 }));
        assert_unavailable(&ann.prepare(pair.api.put("/api/preferences/a").json(&json!(2))).send().await);
        assert_unavailable(&ann.prepare(pair.api.post("/api/visits")).send().await);
        assert_unavailable(&login_at_api(&pair.api, "demo", "demo-password").send().await);
        assert_unavailable(&ann.prepare(login_at_api(&pair.api, "demo", "demo-password")).send().await);
        assert_unavailable(&Browser::new().sign_in_at_site(&pair, "demo", "demo-password").await);
        assert_eq!(ann.preferences(&pair).await, json!({ "a": 1 }), "{kind:?}");

        for browser in [&ann, &other] {
            let session = browser.session().unwrap();
            if session == ann.session().unwrap_or_default() {
                browser.sign_out_at_api(&pair).await.assert_status(204);
            } else {
                let fields = [("csrfmiddlewaretoken", &*token)];
                browser.send(pair.site.post("/logout").form(&fields)).await.assert_status(303);
            }
            assert_eq!(owner_of(&pair, &session).await, None);
        }
        assert_eq!(pair.redis().cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
        assert_eq!(pair.session_keys(), [""; 0]);
        ann.sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_is_an_error_and_is_left_as_it_is() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    for garbage in ["garbage", "", "{}", r#"{"v":2}"#] {
        let (ann, bob) = (signed_in(&pair).await, signed_in(&pair).await);
        let keys = [&ann, &bob].map(|browser| format!("shared_session:{}", &browser.session().unwrap()[..24]));
        let page = bob.get(&pair.site, "/profile").await;
        for key in &keys {
            assert_eq!(pair.redis().cli(&["EXISTS", key]), "1");
            pair.redis().cli(&["SET", key, garbage, "PX", "100000000"]);
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
        assert_eq!(pair.redis().cli(&["GET", &keys[0]]), garbage, "it was overwritten");
        ann.get(&pair.api, "/api/public").await.assert_status(200);

        // A login goes on under another handle, a logout ends the cookie.
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
            // Also at site, whose form is from before. The form's token may not be checked against the record.
            let answer = bob.submit(&pair.site, &page, "/logout", &[]).await;
            answer.assert_status(303);
        }
        assert_eq!(bob.session(), None, "the cookie is deleted");
        assert_eq!(bob.who(&pair).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_down_nobody_is_signed_out_and_the_rest_works() {
    let postgres = Postgres::start();
    let database = postgres.create_database();
    let pair = Pair::over(Some(Redis::start(RedisKind::Old)), &owned(&[("DATABASE_URL", &database)]));
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    ann.set_preference(&pair, "a", &json!(1)).await;
    postgres.kill();

    for request in [
        pair.api.get("/api/me"),
        pair.site.get("/profile"),
        pair.site.get("/sessions"),
        pair.site.get("/password"),
        login_at_api(&pair.api, "ann", &Pair::password_of("ann")),
    ] {
        assert_unavailable(&ann.prepare(request).send().await);
    }
    for request in [pair.api.get("/api/public"), pair.api.get("/healthz"), pair.site.get("/healthz")] {
        ann.prepare(request).send().await.assert_status(200);
    }
    pair.site.get("/").send().await.assert_status(200);
    pair.site.get("/login").send().await.assert_status(200);
    pair.api.get("/api/preferences").send().await.assert_status(200);
    for service in pair.both() {
        let readiness = service.get("/readyz").send().await;
        assert!(readiness.assert_status(503).body.contains("users"), "{}", readiness.body);
        assert!(!readiness.body.contains("sessions"), "{}", readiness.body);
    }
    postgres.restart();
    for (service, path) in [(&pair.api, "/api/me"), (&pair.site, "/profile")] {
        let back = async || {
            let answer = ann.get(service, path).await;
            assert!([200, 503].contains(&answer.status), "{path}: {}", answer.status);
            (answer.status == 200).then_some(())
        };
        eventually("an answer after the restart", back).await;
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
    assert_eq!(ann.preferences(&pair).await, json!({ "a": 1 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_start_while_redis_is_down_and_say_that_they_are_not_ready() {
    let redis = Redis::start(RedisKind::Old);
    redis.kill();
    let pair = Pair::over(Some(redis), &[]);
    for service in pair.both() {
        service.get("/healthz").send().await.assert_status(200);
        service.get("/readyz").send().await.assert_status(503);
    }
    pair.site.get("/").send().await.assert_status(200);
    pair.redis().restart();
    for service in pair.both() {
        eventually("ready", async || (service.get("/readyz").send().await.status == 200).then_some(())).await;
    }
    assert_eq!(signed_in(&pair).await.who(&pair).await.as_deref(), Some("demo"));
}

/// A browser that is signed in as `demo` and has a preference.
async fn signed_in(pair: &Pair) -> Browser {
    let browser = Browser::new();
    browser.sign_in_at_api(pair, "demo", "demo-password").await.assert_status(200);
    browser.set_preference(pair, "a", &json!(1)).await;
    browser
}

/// 503 without any cookie. That it says when to try again is checked on every answer.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_status(503).assert_no_session_cookie();
}
