//! The errors of `api`. Every answer of every test is checked to be a problem document.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Backend, Browser, Pair, browser::login_at_api};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests_are_problems() {
    let pair = Pair::start(Backend::Embedded);
    let api = &pair.api;
    let login = api.post("/api/login");
    let put = api.put("/api/preferences/a");
    for (status, request) in [
        (400, login.clone().text("application/json", "{")),
        (400, put.clone().text("application/json", "{\"a\":")),
        (400, put.clone().text("application/json", "")),
        (401, api.get("/api/me")),
        (401, api.get("/api/sessions")),
        (401, login_at_api(api, "demo", "wrong")),
        (403, api.post("/api/visits").on_page_of("https://evil.example", "cross-site")),
        (404, api.get("/nowhere")),
        (404, api.get("/api/nowhere")),
        (404, api.get("/api/preferences/none")),
        (405, api.get("/api/login")),
        (405, api.put("/api/me").json(&json!(1))),
        (405, api.post("/healthz")),
        (413, put.clone().json(&json!("x".repeat(16 * 1024 + 1)))),
        (415, login.clone().text("text/plain", "username=a")),
        (415, login.clone().form(&[("username", "demo"), ("password", "demo-password")])),
        (415, put.clone().text("text/plain", "1")),
        (422, login.clone().json(&json!({ "username": "demo" }))),
        (422, login.clone().json(&json!({ "username": 1, "password": "x" }))),
        (422, login.json(&json!(["demo", "x"]))),
    ] {
        let answer = request.send().await;
        answer.assert_status(status).assert_no_session_cookie();
    }
    for name in ["a%20b", "%C3%BC", "a%2Fb", "%00", &"x".repeat(65)] {
        let answer = api.put(&format!("/api/preferences/{name}")).json(&json!(1)).send().await;
        assert_eq!(answer.status, 422, "{name}: {}", answer.body);
        answer.assert_no_session_cookie();
    }
    api.put(&format!("/api/preferences/{}", "x".repeat(64))).json(&json!(1)).send().await.assert_status(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_request_is_refused_by_both_services() {
    let pair = Pair::start(Backend::Embedded);
    // Small enough to be sent before the answer comes: a client that is still sending may miss the answer.
    let huge = "x".repeat(80 << 10);
    pair.api.post("/api/login").json(&json!({ "username": "demo", "password": huge })).send().await.assert_status(413);
    let browser = Browser::new();
    let fields = [("username", "demo"), ("password", &*huge)];
    let answer = browser.open_and_submit(&pair.site, "/login", "/login", &fields).await;
    answer.assert_status(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_would_grow_too_large_is_a_413_and_keeps_what_it_had() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    let browser = Browser::new();
    let value = json!("x".repeat(16_000));
    let mut stored = 0;
    let refused = loop {
        let answer = browser.send(pair.api.put(&format!("/api/preferences/p{stored}")).json(&value)).await;
        match answer.status {
            204 => stored += 1,
            _ => break answer,
        }
        assert!(stored < 1000, "the size of a session is not limited");
    };
    refused.assert_status(413);
    assert!(stored >= 1);
    assert_eq!(browser.preferences(&pair).await.as_object().unwrap().len(), stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_a_cookie_that_a_login_has_just_replaced_is_a_409() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Valkey)] {
        let pair = Pair::start(backend);
        pair.user("ann").await;
        let browser = Browser::new();
        browser.set_preference(&pair, "before", &json!(1)).await;
        let old = browser.session().unwrap();
        browser.signs_in(&pair, "ann").await;

        for request in [
            pair.api.put("/api/preferences/after").json(&json!(1)),
            pair.api.delete("/api/preferences/before"),
            pair.api.post("/api/visits"),
        ] {
            let answer = request.session(&old).send().await;
            answer.assert_status(409).assert_no_session_cookie();
        }
        let home = pair.site.get("/").session(&old).send().await;
        home.assert_no_session_cookie();
        assert!([200, 409].contains(&home.status), "{}", home.status);
        assert!(!home.body.contains("ann"), "{}", home.body);
        assert_eq!(browser.preferences(&pair).await, json!({ "before": 1 }));
        let reading = pair.api.get("/api/preferences").session(&old).send().await;
        assert_eq!(reading.assert_status(200).json(), json!({}), "for reads it is anonymous");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_page_of_site_is_html() {
    let pair = Pair::start(Backend::Embedded);
    let page = pair.site.get("/nowhere").send().await;
    page.assert_status(404);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.body.contains("<html"), "{}", page.body);
    pair.site.post("/").send().await.assert_status(405);
}
