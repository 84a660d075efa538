//! `NEAR_CACHE=on`.

use std::time::{Duration, Instant};

use test_servers::RedisKind;

use crate::harness::{Backend, Browser, Pair, Service, browser::owner_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_kept_and_what_the_other_service_does_is_seen() {
    let pair = Pair::with(Backend::Redis(RedisKind::New), &[("NEAR_CACHE", "on")]);
    pair.user("ann").await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    for service in pair.both() {
        let started = Instant::now();
        while hits(service).await == 0 {
            assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
            assert!(started.elapsed() < Duration::from_secs(60), "nothing is kept");
        }
    }
    let session = browser.session().unwrap();
    browser.sign_out_at_site(&pair).await.assert_status(303);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(owner_of(&pair, &session).await, None);
}

async fn hits(service: &Service) -> u64 {
    let metrics = service.get("/metrics").send().await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("shared_session_near_hits_total "));
    line.and_then(|value| value.parse().ok()).expect("the count is shown")
}
