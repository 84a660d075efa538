//! The users' database is down.

use serde_json::json;
use test_servers::{Postgres, Redis, RedisKind};

use super::scene::{PATIENT, unavailable};
use harness::{Browser, Pair, browser::login_at_api, eventually, pair::owned};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_down_nobody_is_signed_out_and_the_rest_works() {
    let postgres = Postgres::start();
    let database = postgres.create_database();
    let pair = Pair::over(Some(Redis::start(RedisKind::Old)), &owned(&[("DATABASE_URL", &database), PATIENT]));
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
        unavailable([ann.prepare(request)]).await;
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
