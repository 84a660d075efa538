//! Visitors whose browser has several cookies of one name, in different scopes.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Backend, COOKIE, Pair, TempDir, browser::login_at_api, scopes::ScopedBrowser};

const DOMAIN: (&str, &str) = ("SESSION_COOKIE_DOMAIN", "example.com");
const NO_DOMAIN: (&str, &str) = ("SESSION_COOKIE_DOMAIN", "");

async fn who(browser: &mut ScopedBrowser, pair: &Pair) -> Option<String> {
    let at_api = browser.get(&pair.api, "/api/me").await;
    let at_site = browser.get(&pair.site, "/profile").await;
    assert_eq!(at_api.status == 200, at_site.status == 200, "the services disagree");
    (at_api.status == 200).then(|| at_api.json()["username"].as_str().unwrap().to_owned())
}

async fn sign_in_at_api(browser: &mut ScopedBrowser, pair: &Pair) {
    let request = login_at_api(&pair.api, "ann", &Pair::password_of("ann"));
    browser.send("/api/login", request).await.assert_status(200);
}

async fn sign_in_at_site(browser: &mut ScopedBrowser, pair: &Pair) {
    let password = Pair::password_of("ann");
    let answer = browser.submit(&pair.site, "/login", &[("username", "ann"), ("password", &password)]).await;
    answer.assert_status(303);
}

/// The services in both kinds of profile, with the user `ann`.
async fn pairs(directory: &TempDir) -> [Pair; 2] {
    let users = format!("sqlite://{}", directory.path().join("users.sqlite3").display());
    let native = Pair::start(Backend::Redis(RedisKind::Old));
    native.user("ann").await;
    let mut django = Pair::with(Backend::Redis(RedisKind::Old), &[("DATABASE_URL", &users)]);
    django.user("ann").await;
    django.restart(&[("SESSION_PROFILE", "django-cache")]);
    [native, django]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_domain_signs_nobody_out_and_locks_nobody_out() {
    let directory = TempDir::new().unwrap();
    for mut pair in pairs(&directory).await {
        let (mut one, mut other) = (ScopedBrowser::default(), ScopedBrowser::default());
        sign_in_at_api(&mut one, &pair).await;
        sign_in_at_site(&mut other, &pair).await;
        for (domain, scope) in [(DOMAIN, "example.com /"), (NO_DOMAIN, "- /"), (DOMAIN, "example.com /")] {
            pair.restart(&[domain]);
            for browser in [&mut one, &mut other] {
                assert_eq!(who(browser, &pair).await.as_deref(), Some("ann"), "the old cookie still counts");
            }
            sign_in_at_api(&mut one, &pair).await;
            sign_in_at_site(&mut other, &pair).await;
            for browser in [&mut one, &mut other] {
                assert_eq!(browser.session_scope(), scope);
                assert_eq!(who(browser, &pair).await.as_deref(), Some("ann"));
            }
        }
        let answer = one.send("/api/logout", pair.api.post("/api/logout")).await;
        answer.assert_status(204);
        assert_eq!(one.session(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_path_locks_nobody_out() {
    let mut pair = Pair::start(Backend::Redis(RedisKind::Old));
    pair.user("ann").await;
    let mut browser = ScopedBrowser::default();
    sign_in_at_api(&mut browser, &pair).await;
    let me = async |browser: &mut ScopedBrowser, pair: &Pair| browser.get(&pair.api, "/api/me").await.status;

    pair.restart(&[("SESSION_COOKIE_PATH", "/api")]);
    assert_eq!(me(&mut browser, &pair).await, 200);
    sign_in_at_api(&mut browser, &pair).await;
    assert_eq!((browser.session_scope().as_str(), me(&mut browser, &pair).await), ("- /api", 200));

    // A request with one cookie does not show its path.
    pair.restart(&[("SESSION_COOKIE_PATH", "/")]);
    sign_in_at_api(&mut browser, &pair).await;
    assert_eq!(browser.scopes_of(COOKIE).len(), 2);
    assert_eq!(me(&mut browser, &pair).await, 401, "conflicting cookies are ignored");
    sign_in_at_api(&mut browser, &pair).await;
    assert_eq!((browser.session_scope().as_str(), me(&mut browser, &pair).await), ("- /", 200));

    pair.restart(&[("SESSION_COOKIE_PATH", "/api")]);
    sign_in_at_api(&mut browser, &pair).await;
    pair.restart(&[("SESSION_COOKIE_PATH", "/"), ("SESSION_COOKIE_FORMER_PATHS", "/api")]);
    sign_in_at_api(&mut browser, &pair).await;
    assert_eq!((browser.session_scope().as_str(), me(&mut browser, &pair).await), ("- /", 200), "with the former path");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_and_out_works_with_twin_cookies() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        let (mut browser, mut twin) = (ScopedBrowser::default(), ScopedBrowser::default());
        for browser in [&mut browser, &mut twin] {
            sign_in_at_api(browser, &pair).await;
        }
        let tossed = twin.session().unwrap().to_owned();
        browser.plant(COOKIE, &tossed, Some("example.com"), "/");
        assert_eq!(who(&mut browser, &pair).await, None, "conflicting cookies are ignored");
        let mut visitor = browser.clone();
        sign_in_at_site(&mut visitor, &pair).await;
        assert_eq!(who(&mut visitor, &pair).await.as_deref(), Some("ann"));
        assert_eq!(visitor.session_scope(), "- /");

        let mut writer = browser.clone();
        let put = pair.api.put("/api/preferences/theme").json(&json!("dark"));
        writer.send("/api/preferences/theme", put).await.assert_status(204);
        let theme = writer.get(&pair.api, "/api/preferences/theme").await;
        assert_eq!((theme.status, writer.session_scope().as_str()), (200, "- /"));

        let before = pair.session_keys().len();
        browser.send("/api/logout", pair.api.post("/api/logout")).await.assert_status(204);
        assert_eq!(browser.session(), None);
        assert_eq!(who(&mut twin, &pair).await, None, "both sessions have ended");
        let ended = pair.session_keys().iter().filter(|key| key.contains("ended")).count();
        assert_eq!(pair.session_keys().len() - ended, before - 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_with_the_form_repairs_twins_of_its_cookie() {
    let directory = TempDir::new().unwrap();
    for (pair, name) in pairs(&directory).await.into_iter().zip(["shared_session_id_csrf", "csrftoken"]) {
        for other in ["", "abcdefghijklmnopqrstuvwxyzABCDEF"] {
            let mut browser = ScopedBrowser::default();
            browser.get(&pair.site, "/login").await.assert_status(200);
            assert_eq!(browser.scopes_of(name), ["- /"]);
            browser.plant(name, other, Some("example.com"), "/");
            browser.plant(name, other, None, "/login");
            sign_in_at_site(&mut browser, &pair).await;
            assert_eq!(who(&mut browser, &pair).await.as_deref(), Some("ann"));
            assert_eq!(browser.scopes_of(name), ["- /"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_keeps_the_cookie_as_the_settings_say() {
    let directory = TempDir::new().unwrap();
    for mut pair in pairs(&directory).await {
        pair.restart(&[("SESSION_EXPIRE_AT_BROWSER_CLOSE", "true")]);
        let mut browser = ScopedBrowser::default();
        let login = browser.send("/api/login", login_at_api(&pair.api, "ann", &Pair::password_of("ann"))).await;
        let cookie = login.session_set_cookie().unwrap();
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");

        pair.restart(&[("SESSION_EXPIRE_AT_BROWSER_CLOSE", ""), ("SESSION_SAVE_EVERY_REQUEST", "true")]);
        for (service, path) in [(&pair.api, "/api/me"), (&pair.site, "/profile")] {
            let answer = browser.get(service, path).await;
            let cookie = answer.assert_status(200).session_set_cookie().expect("the cookie is extended").to_owned();
            assert!(cookie.contains("; Max-Age="), "{cookie}");
            assert_eq!(browser.session_scope(), "- /");
        }
        for path in ["/api/public", "/healthz"] {
            assert!(browser.get(&pair.api, path).await.set_cookies().is_empty(), "{path} never asks for the session");
        }
        let stranger = pair.api.get("/api/session").session(&"A".repeat(56)).send().await;
        stranger.assert_no_session_cookie();
    }
}
