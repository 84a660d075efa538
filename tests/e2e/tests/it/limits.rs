//! Limits for a single client: password guesses, new sessions, and a full store.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, browser::login_at_api, eventually};

const STRANGER: &str = "203.0.113.9";

/// Clients come through a trusted proxy.
fn behind_a_proxy(backend: Backend, more: &[(&str, &str)]) -> Pair {
    Pair::with(backend, &[&[("TRUSTED_PROXIES", "127.0.0.0/8")], more].concat())
}

fn assert_told_to_wait(answer: &Answer) {
    let wait: u64 = answer.assert_status(429).header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_passwords_has_to_wait_and_the_owners_browser_does_not() {
    let pair = behind_a_proxy(Backend::Redis(RedisKind::Old), &[]);
    pair.user("ann").await;
    let owner = Browser::new();
    owner.sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await.assert_status(303);
    owner.sign_out_at_site(&pair).await.assert_status(303);
    let guess = async |name: &str, at: usize| {
        let guess = login_at_api(&pair.api, name, &format!("guess {at}"));
        guess.header("x-forwarded-for", &format!("203.0.113.{at}")).send().await
    };
    // A wait of a second may pass while a password is computed. The next wait is longer, which leaves time for the
    // checks below.
    for (name, seconds) in [("nobody", 1), ("ann", 8)] {
        for at in 0..10 {
            guess(name, at).await.assert_status(401);
        }
        let refused = async || {
            let answer = guess(name, 11).await;
            let is_long = answer.status == 429 && answer.header("retry-after").parse::<u64>().unwrap() >= seconds;
            is_long.then_some(answer)
        };
        assert_told_to_wait(&eventually("a wait", refused).await);
    }
    // Even with the right password a stranger must wait, at both services, and the answer does not reveal that it was
    // right.
    assert_told_to_wait(&login_at_api(&pair.api, "Ann", &Pair::password_of("ann")).send().await);
    let page = Browser::new().sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await;
    assert_told_to_wait(&page);
    assert!(page.body.contains("too many attempts"), "{}", page.body);
    owner.sign_in_at_site(&pair, "ann", &Pair::password_of("ann")).await.assert_status(303);
    owner.sign_out_at_site(&pair).await.assert_status(303);
    owner.sign_in_at_api(&pair, "ann", &Pair::password_of("ann")).await.assert_status(200);
    let trace = async || pair.api.output().lines().find(|line| line.contains("too many")).map(str::to_owned);
    let line = eventually("a trace", trace).await;
    assert!(line.contains("INFO") && line.contains("203.0.113.11") && !line.contains("ann"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_start_a_limited_number_of_small_sessions() {
    let settings = [("SESSION_ANONYMOUS_RATE", "5"), ("SESSION_ANONYMOUS_SIZE", "1024")];
    let pair = behind_a_proxy(Backend::Redis(RedisKind::New), &settings);
    let put = |value: &str| pair.api.put("/api/preferences/a").json(&json!(value)).header("x-forwarded-for", STRANGER);
    put(&"x".repeat(1024)).send().await.assert_status(413);
    let browser = Browser::new();
    browser.send(put("a")).await.assert_status(204);
    let visit = || pair.api.post("/api/visits").header("x-forwarded-for", STRANGER);
    for _ in 0..3 {
        visit().send().await.assert_status(200);
    }
    assert_told_to_wait(&visit().send().await);
    assert_told_to_wait(&put("a").send().await);
    // Visitors with a session are not affected, and neither are other addresses.
    browser.send(put("b")).await.assert_status(204);
    visit().header("x-forwarded-for", "203.0.113.10").send().await.assert_status(200);
    for key in pair.session_keys() {
        let lives: i64 = pair.redis().cli(&["PTTL", &key]).parse().unwrap();
        assert!((1..=86_400_000).contains(&lives), "{key}: {lives}");
    }
    pair.user("ann").await;
    browser.signs_in(&pair, "ann").await;
    browser.send(put(&"x".repeat(10_000))).await.assert_status(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_beyond_the_limit_ends_the_oldest_session() {
    let pair = Pair::with(Backend::Redis(RedisKind::Old), &[("SESSION_MAX_PER_USER", "2")]);
    pair.user("ann").await;
    let browsers = [(); 3].map(|()| Browser::new());
    for browser in &browsers {
        browser.signs_in(&pair, "ann").await;
    }
    let [first, second, third] = browsers;
    assert_eq!(first.who(&pair).await, None);
    assert_eq!((second.who(&pair).await.as_deref(), third.who(&pair).await.as_deref()), (Some("ann"), Some("ann")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_takes_no_writes_is_not_ready() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    let write = || pair.api.post("/api/visits");
    write().send().await.assert_status(200);
    pair.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]);
    pair.api.get("/readyz").send().await.assert_status(200);
    for _ in 0..50 {
        write().send().await.assert_status(503);
    }
    let ready = pair.api.get("/readyz").send().await;
    assert_eq!(ready.assert_status(503).json()["down"], json!(["sessions (writes are refused)"]));
    let lines = pair.api.output().lines().filter(|line| line.contains("a request cannot be answered now")).count();
    assert!((1..=20).contains(&lines), "{lines} lines for 50 requests");
    pair.redis().cli(&["CONFIG", "SET", "maxmemory", "0"]);
    pair.api.get("/readyz").send().await.assert_status(200);
    write().send().await.assert_status(200);
}
