//! Cookies, and the headers that control caches.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Backend, Browser, COOKIE, Pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_depend_on_the_session_vary_on_the_cookie() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    for browser in [&ann, &Browser::new()] {
        for (service, path) in [
            (&pair.site, "/"),
            (&pair.site, "/profile"),
            (&pair.site, "/sessions"),
            (&pair.site, "/login"),
            (&pair.api, "/api/me"),
            (&pair.api, "/api/session"),
            (&pair.api, "/api/preferences"),
            (&pair.api, "/api/preferences/none"),
            (&pair.api, "/api/sessions"),
        ] {
            let answer = browser.get(service, path).await;
            assert!(answer.header_has("vary", "cookie"), "{path}: {:?}", answer.headers);
            assert_eq!(answer.header("cache-control"), "no-store", "{path}: {:?}", answer.headers);
        }
    }
    let public = ann.get(&pair.api, "/api/public").await;
    assert!(!public.assert_status(200).header_has("vary", "cookie"), "{:?}", public.headers);
    public.assert_no_session_cookie();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_cookie_is_kept_from_scripts_and_other_sites() {
    let pair = Pair::with(Backend::Embedded, &[("SESSION_ABSOLUTE", "2000000")]);
    let [site, api] = [Browser::new(), Browser::new()];
    let at_site = site.sign_in_at_site(&pair, "demo", "demo-password").await;
    let at_api = api.sign_in_at_api(&pair, "demo", "demo-password").await;
    for answer in [at_site, at_api] {
        let cookie = answer.session_set_cookie().expect("a session cookie").to_owned();
        let mut attributes: Vec<_> = cookie.split("; ").skip(1).map(str::to_ascii_lowercase).collect();
        attributes.sort();
        assert_eq!(attributes, ["httponly", "max-age=2000000", "path=/", "samesite=lax"], "{cookie}");
        assert!(answer.header("cache-control").contains("no-store"), "{:?}", answer.headers);
        let value = answer.new_session().unwrap();
        assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_of_the_cookie_are_followed() {
    let settings = [
        ("SESSION_COOKIE_NAME", "__Secure-sid"),
        ("SESSION_COOKIE_DOMAIN", "example.com"),
        ("SESSION_COOKIE_SECURE", "true"),
    ];
    let pair = Pair::with(Backend::Embedded, &settings);
    let answer = pair.api.post("/api/visits").send().await;
    let cookies = answer.assert_status(200).set_cookies();
    let [cookie] = cookies[..] else { panic!("{cookies:?}") };
    assert!(cookie.starts_with("__Secure-sid="), "{cookie}");
    let lowercase = cookie.to_ascii_lowercase();
    assert!(lowercase.contains("; secure") && lowercase.contains("; domain=example.com"), "{cookie}");
    let pair_sent = cookie.split(';').next().unwrap();
    let session = pair.api.get("/api/session").cookies(pair_sent).send().await;
    assert_eq!(session.json()["visits"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_are_not_ours_are_anonymous_and_are_not_answered_with_a_cookie() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Old)] {
        let pair = Pair::start(backend);
        pair.user("ann").await;
        let (ann, other) = (Browser::new(), Browser::new());
        ann.signs_in(&pair, "ann").await;
        other.set_preference(&pair, "a", &json!(1)).await;
        let (good, anonymous) = (ann.session().unwrap(), other.session().unwrap());
        let handle = ann.handle(&pair).await;
        let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });

        for cookies in [
            format!("{COOKIE}="),
            format!("{COOKIE}=x"),
            format!("{COOKIE}={}", "A".repeat(good.len())),
            format!("{COOKIE}={handle}"),
            format!("{COOKIE}={flipped}"),
            format!("{COOKIE}={good}A"),
            format!("{COOKIE}={}", &good[1..]),
            format!("{COOKIE}={}%", &good[1..]),
            format!("{COOKIE}={}", "A".repeat(3000)),
            format!("{}={good}", COOKIE.to_ascii_uppercase()),
            format!("x{COOKIE}={good}"),
            format!("{COOKIE}={good}; {COOKIE}={anonymous}"),
            format!("{COOKIE}={anonymous}; {COOKIE}={good}"),
            format!("{COOKIE}={good}; a=b; {COOKIE}=x"),
        ] {
            let me = pair.api.get("/api/me").cookies(&cookies).send().await;
            assert_eq!(me.status, 401, "{cookies}");
            assert_eq!(me.set_cookies(), [""; 0], "{cookies}");
            let preferences = pair.api.get("/api/preferences").cookies(&cookies).send().await;
            assert_eq!(preferences.assert_status(200).json(), json!({}), "{cookies}");
            assert_eq!(preferences.set_cookies(), [""; 0], "{cookies}");
            for path in ["/", "/profile", "/login"] {
                let page = pair.site.get(path).cookies(&cookies).send().await;
                page.assert_status(if path == "/profile" { 303 } else { 200 }).assert_no_session_cookie();
                assert!(!page.body.contains("ann"), "{cookies}: {}", page.body);
            }
        }
        for cookies in [
            format!("{COOKIE}={good}; {COOKIE}={good}"),
            format!("a=b; {COOKIE}={good}; c=\"d\""),
            format!("{COOKIE}={good};a=b"),
            format!("first; {COOKIE}={good}"),
        ] {
            let me = pair.api.get("/api/me").cookies(&cookies).send().await;
            assert_eq!(me.status, 200, "{cookies}");
            pair.site.get("/profile").cookies(&cookies).send().await.assert_status(200);
        }
        // Two headers are one list (RFC 9113, section 8.2.3).
        pair.api.get("/api/me").session(&good).session(&anonymous).send().await.assert_status(401);
        pair.api.get("/api/me").cookies("a=b").session(&good).send().await.assert_status(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_cookie_is_never_taken_over() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    let planted = "A".repeat(56);
    for request in [
        pair.api.put("/api/preferences/a").json(&json!(1)),
        pair.api.post("/api/visits"),
        harness::browser::login_at_api(&pair.api, "demo", "demo-password"),
    ] {
        let answer = request.session(&planted).send().await;
        assert!(answer.status < 300, "{}", answer.status);
        let new = answer.new_session().expect("a new cookie");
        assert_ne!(new, planted);
        assert_ne!(new[..24], planted[..24], "not the handle either");
    }
    assert!(pair.session_keys().iter().all(|key| !key.ends_with(&planted[..24])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_around_creates_no_session() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    let browser = Browser::new();
    for path in ["/", "/login", "/register", "/profile", "/sessions", "/", "/healthz", "/readyz", "/metrics"] {
        browser.get(&pair.site, path).await.assert_no_session_cookie();
    }
    for path in [
        "/api/me",
        "/api/session",
        "/api/preferences",
        "/api/preferences/a",
        "/api/sessions",
        "/api/public",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert_eq!(browser.get(&pair.api, path).await.set_cookies(), [""; 0], "{path}");
    }
    // Requests without an effect.
    browser.send(pair.api.delete("/api/preferences/a")).await.assert_no_session_cookie();
    browser.sign_in_at_api(&pair, "demo", "wrong").await.assert_no_session_cookie();
    browser.sign_in_at_site(&pair, "demo", "wrong").await.assert_no_session_cookie();
    browser.sign_out_at_api(&pair).await.assert_status(204);
    assert_eq!(browser.session(), None);
    assert_eq!(pair.session_keys(), [""; 0]);

    browser.set_preference(&pair, "a", &json!(1)).await;
    assert_eq!(pair.session_keys().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_has_a_lifetime() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    Browser::new().set_preference(&pair, "a", &json!(1)).await;
    let browser = Browser::new();
    for _ in 0..2 {
        browser.sign_in_at_api(&pair, "demo", "demo-password").await.assert_status(200);
        browser.set_preference(&pair, "a", &json!(1)).await;
        browser.get(&pair.site, "/").await.assert_status(200);
        for key in pair.redis().cli(&["KEYS", "*"]).lines() {
            let ttl: i64 = pair.redis().cli(&["TTL", key]).parse().unwrap();
            assert!(ttl > 80_000, "{key} lives for {ttl}");
            assert!(key.starts_with("shared_session:"), "{key}");
        }
    }
    assert_eq!(pair.session_keys().len(), 2);
}
