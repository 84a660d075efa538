//! `SESSION_DURABLE=on`: sessions are in the users' database, and Redis may lose all of them.

use serde_json::json;
use test_servers::RedisKind;

use harness::{
    Backend, Browser, Pair,
    browser::{login_at_api, owner_of},
    eventually,
};

const DURABLE: (&str, &str) = ("SESSION_DURABLE", "on");

fn flush(pair: &Pair) {
    assert_eq!(pair.redis().cli(&["FLUSHALL"]), "OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_loses_data_signs_nobody_out_or_in() {
    for backend in [Backend::Redis(RedisKind::New), Backend::RedisAndPostgres(RedisKind::Old)] {
        let mut pair = Pair::with(backend, &[DURABLE]);
        pair.user("ann").await;
        let browser = Browser::new();
        browser.signs_in(&pair, "ann").await;
        browser.set_preference(&pair, "a", &json!(1)).await;
        let copy = format!("shared_session:{}", &browser.session().unwrap()[..24]);
        let has_copy = || pair.session_keys().contains(&copy);
        assert!(has_copy());
        flush(&pair);
        assert!(!has_copy());
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
        assert_eq!(browser.preferences(&pair).await["a"], 1);
        assert!(has_copy(), "the copy is back");
        let devices = browser.get(&pair.api, "/api/sessions").await.assert_status(200).json();
        assert_eq!(devices.as_array().unwrap().len(), 1);
        pair.restart(&[]);
        pair.redis().restart();
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));

        for at_site in [true, false] {
            let session = browser.session().unwrap();
            if at_site {
                browser.sign_out_at_site(&pair).await.assert_status(303);
            } else {
                browser.sign_out_at_api(&pair).await.assert_status(204);
            }
            flush(&pair);
            assert_eq!(owner_of(&pair, &session).await, None);
            browser.signs_in(&pair, "ann").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_sessions_can_be_read_and_started_but_not_changed() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[DURABLE]);
    pair.user("ann").await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    browser.set_preference(&pair, "a", &json!(1)).await;
    pair.redis().kill();
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    for write in [pair.api.put("/api/preferences/a").json(&json!(2)), pair.api.post("/api/logout"), pair.site.get("/")]
    {
        browser.prepare(write).send().await.assert_status(503).assert_no_session_cookie();
    }
    assert_eq!(browser.preferences(&pair).await["a"], 1);
    let newcomer = Browser::new();
    newcomer.send(login_at_api(&pair.api, "ann", &Pair::password_of("ann"))).await.assert_status(200);
    assert_eq!(newcomer.who(&pair).await.as_deref(), Some("ann"));
    for service in pair.both() {
        service.get("/readyz").send().await.assert_status(200);
    }

    pair.redis().restart();
    let session = browser.session().unwrap();
    let signed_out = async || (browser.send(pair.api.post("/api/logout")).await.status == 204).then_some(());
    eventually("a sign-out", signed_out).await;
    assert_eq!(owner_of(&pair, &session).await, None);
    assert_eq!(newcomer.who(&pair).await.as_deref(), Some("ann"));
}

/// Attempts are counted in the database alone, so Redis may be down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_user_can_sign_in_and_guessing_has_to_wait() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[DURABLE]);
    for name in ["ann", "bob"] {
        pair.user(name).await;
    }
    Browser::new().sign_in_at_api(&pair, "ann", "wrong").await.assert_status(401);
    pair.redis().kill();
    for _ in 0..3 {
        Browser::new().sign_in_at_api(&pair, "ann", "wrong").await.assert_status(401);
        Browser::new().signs_in(&pair, "ann").await;
        let at_site = Browser::new().sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await;
        at_site.assert_status(303);
    }
    for _ in 0..10 {
        Browser::new().sign_in_at_api(&pair, "bob", "wrong").await.assert_status(401);
    }
    let refused = async || (login_at_api(&pair.api, "bob", "wrong").send().await.status == 429).then_some(());
    eventually("a wait", refused).await;
    pair.redis().restart();
    assert!(!pair.redis().cli(&["KEYS", "*"]).contains(":throttle:"));
    Browser::new().signs_in(&pair, "ann").await;
}

/// Redis may evict keys, because it may lose everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eviction_causes_no_warning_and_the_metrics_name_the_store() {
    let redis = test_servers::Redis::with_args(RedisKind::Old, &["--maxmemory-policy", "allkeys-lru"]);
    let pair = Pair::over(Some(redis), &harness::pair::owned(&[DURABLE]));
    for service in pair.both() {
        assert!(!service.output().contains("WARN"), "{}", service.output());
        let metrics = service.get("/metrics").send().await.body;
        assert!(metrics.contains(r#"shared_session_info{store="tiered",profile="native"} 1"#), "{metrics}");
    }
}
