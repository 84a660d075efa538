//! `NEAR_CACHE=on`.

use std::time::{Duration, Instant};

use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, Service, browser::owner_of, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_sessions_follow_the_changes_of_the_other_service() {
    let pair = Pair::with(Backend::Redis(RedisKind::New), &[("NEAR_CACHE", "on")]);
    pair.user("ann").await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    for service in pair.both() {
        let started = Instant::now();
        while hits(service).await == 0 {
            assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
            assert!(started.elapsed() < Duration::from_secs(60), "nothing is cached");
        }
    }
    let session = browser.session().unwrap();
    browser.sign_out_at_site(&pair).await.assert_status(303);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(owner_of(&pair, &session).await, None);
}

/// Staff decide about others, so their identity never comes from the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_for_staff_read_past_it() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[("NEAR_CACHE", "on")]);
    pair.superuser("root");
    pair.user("ann").await;
    let (root, ann) = (Browser::new(), Browser::new());
    root.signs_in(&pair, "root").await;
    ann.signs_in(&pair, "ann").await;
    let user = format!("/admin/users/{}", ann.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap());
    let page = root.get(&pair.site, &user).await;
    let is_kept = async || {
        let before = hits(&pair.site).await;
        root.get(&pair.site, "/profile").await.assert_status(200);
        (hits(&pair.site).await > before).then_some(())
    };
    for path in ["/admin/", "/admin/users", &user, "/admin/sessions"] {
        eventually("a kept session", is_kept).await;
        let before = hits(&pair.site).await;
        root.get(&pair.site, path).await.assert_status(200);
        assert_eq!(hits(&pair.site).await, before, "{path}");
    }
    eventually("a kept session", is_kept).await;
    let before = hits(&pair.site).await;
    root.submit(&pair.site, &page, &format!("{user}/sign-out"), &[]).await.assert_status(303);
    assert_eq!(hits(&pair.site).await, before);
}

async fn hits(service: &Service) -> u64 {
    let metrics = service.get("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("shared_session_near_hits_total "));
    line.and_then(|value| value.parse().ok()).expect("the count is shown")
}
