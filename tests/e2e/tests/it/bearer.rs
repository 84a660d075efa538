//! `API_BEARER_TOKENS=on`: sessions of clients other than browsers.

use serde_json::{Value, json};
use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, COOKIE, Pair, Request, browser::owner_of};

const ON: [(&str, &str); 1] = [("API_BEARER_TOKENS", "on")];

/// A client such as a command line or a phone app: no cookies, no `Origin`.
fn with(request: Request, token: &str) -> Request {
    request.not_a_browser().header("authorization", &format!("Bearer {token}"))
}

fn login(pair: &Pair, body: &Value) -> Request {
    pair.api.post("/api/login").not_a_browser().json(body)
}

fn credentials(bearer: bool) -> Value {
    json!({ "username": "ann", "password": Pair::password_of("ann"), "bearer": bearer })
}

#[track_caller]
fn token(answer: &Answer) -> String {
    answer.assert_status(200).assert_no_session_cookie();
    assert!(answer.set_cookies().is_empty(), "{:?}", answer.headers);
    assert!(answer.header_has("cache-control", "no-store"), "{:?}", answer.headers);
    let token = answer.header("session-token");
    assert!(!token.is_empty() && !answer.body.contains(&token), "{:?}", answer.headers);
    token
}

async fn signs_in(pair: &Pair) -> String {
    token(&login(pair, &credentials(true)).send().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_cookies_signs_in_reads_writes_lists_and_signs_out() {
    for (backend, more) in [
        (Backend::Embedded, &[][..]),
        (Backend::Redis(RedisKind::New), &[("SESSION_COOKIE_SIGNED", "on"), ("SESSION_ENCRYPTION", "on")]),
    ] {
        let pair = Pair::with(backend, &[&ON, more].concat());
        pair.user("ann").await;
        let token = signs_in(&pair).await;
        let api = |request: Request| with(request, &token).send();
        let me = api(pair.api.get("/api/me")).await.assert_status(200).json();
        assert_eq!(me["username"], "ann");
        api(pair.api.put("/api/preferences/theme").json(&json!("dark"))).await.assert_status(204);
        assert_eq!(api(pair.api.get("/api/preferences")).await.json()["theme"], "dark");
        let visits = api(pair.api.post("/api/visits")).await;
        assert_eq!((visits.json()["visits"].as_u64(), visits.header("session-token")), (Some(1), String::new()));
        assert!(visits.header_has("vary", "cookie") && visits.header_has("vary", "authorization"));
        assert!(visits.header_has("cache-control", "no-store"), "{:?}", visits.headers);

        // It is an ordinary session: the user can list and end it elsewhere, and `site` accepts the same value.
        let browser = Browser::new();
        browser.signs_in(&pair, "ann").await;
        let listed = api(pair.api.get("/api/sessions")).await.assert_status(200).json();
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
        assert_eq!(owner_of(&pair, &token).await.as_deref(), Some("ann"));
        let home = pair.site.get("/").session(&token).send().await;
        assert!(home.assert_status(200).body.contains("data-theme=\"dark\""), "{}", home.body);
        let this = listed.as_array().unwrap().iter().find(|device| device["current"] == true).unwrap();
        let path = format!("/api/sessions/{}", this["handle"].as_str().unwrap());
        browser.send(pair.api.delete(&path)).await.assert_status(204);
        assert_eq!(api(pair.api.get("/api/me")).await.assert_status(401).header("www-authenticate"), INVALID);
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));

        // Ending the others renews the own token; a sign-out ends it.
        let token = signs_in(&pair).await;
        let answer = with(pair.api.delete("/api/sessions"), &token).send().await;
        answer.assert_status(204);
        let renewed = answer.header("session-token");
        assert!(!renewed.is_empty() && renewed != token);
        assert_eq!(browser.who(&pair).await, None);
        with(pair.api.get("/api/me"), &token).send().await.assert_status(401);
        with(pair.api.get("/api/me"), &renewed).send().await.assert_status(200);
        let ended = with(pair.api.post("/api/logout"), &renewed).send().await;
        assert!(ended.assert_status(204).set_cookies().is_empty());
        with(pair.api.get("/api/me"), &renewed).send().await.assert_status(401);
    }
}

const INVALID: &str = r#"Bearer realm="session", error="invalid_token""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_and_a_cookie_at_once_are_a_400_and_change_nothing() {
    let pair = Pair::with(Backend::Redis(RedisKind::New), &ON);
    pair.user("ann").await;
    let (token, browser) = (signs_in(&pair).await, Browser::new());
    browser.signs_in(&pair, "ann").await;
    for request in [
        pair.api.get("/api/me"),
        pair.api.put("/api/preferences/theme").json(&json!("dark")),
        pair.api.post("/api/logout"),
        pair.api.delete("/api/sessions"),
        login(&pair, &credentials(true)),
    ] {
        for cookie in [browser.session().unwrap(), "made-up".to_owned()] {
            let answer = with(request.clone(), &token).session(&cookie).send().await;
            answer.assert_status(400);
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="session", error="invalid_request""#);
            assert!(answer.set_cookies().is_empty() && answer.header("session-token").is_empty());
            assert!(
                answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("not both")),
                "{}",
                answer.body
            );
        }
    }
    with(pair.api.get("/api/public"), &token).session("made-up").send().await.assert_status(200);
    let preferences = with(pair.api.get("/api/preferences"), &token).send().await.json();
    assert_eq!((preferences, browser.preferences(&pair).await), (json!({}), json!({})));
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    // Scripts of a page cannot get the session of its cookie.
    let asked = browser.prepare(pair.api.post("/api/login").json(&credentials(true))).send().await;
    assert!(asked.assert_status(400).header("session-token").is_empty());
}

/// Pages of other sites may not send the header: the CORS answers are unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_another_site_may_send_a_token_and_a_client_needs_no_origin() {
    let pair = Pair::with(Backend::Embedded, &ON);
    pair.user("ann").await;
    let token = signs_in(&pair).await;
    for origin in ["https://evil.example", harness::Kind::Site.origin()] {
        let asked = pair.api.request("OPTIONS", "/api/visits").header("origin", origin);
        let asked = asked.header("access-control-request-method", "POST");
        let answer = asked.header("access-control-request-headers", "authorization").send().await;
        assert!(!answer.header("access-control-allow-headers").to_lowercase().contains("authorization"));
        assert!(!answer.header("access-control-expose-headers").to_lowercase().contains("session-token"));
    }
    let foreign = || pair.api.post("/api/visits").on_page_of("https://evil.example", "cross-site");
    foreign().send().await.assert_status(403);
    foreign().session(&token).send().await.assert_status(403);
    foreign().header("authorization", &format!("Bearer {token}")).cookies("theme=dark").send().await.assert_status(403);
    let app = pair.api.post("/api/visits").without("sec-fetch-site").header("origin", "capacitor://localhost");
    app.clone().header("authorization", &format!("Bearer {token}")).send().await.assert_status(200);
    app.send().await.assert_status(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_accepts_no_tokens_ignores_them() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let answer = login(&pair, &credentials(false)).send().await;
    answer.assert_status(200);
    let session = answer.new_session().expect("a cookie");
    assert!(answer.header("session-token").is_empty() && !answer.header_has("vary", "authorization"));
    login(&pair, &credentials(true)).send().await.assert_status(422);
    with(pair.api.get("/api/me"), &session).send().await.assert_status(401);
    assert_eq!(with(pair.api.get("/api/me"), &session).session(&session).send().await.json()["username"], "ann");
    // `site` accepts no bearer tokens, whatever the settings of `api`.
    let pair = Pair::with(Backend::Embedded, &ON);
    pair.user("ann").await;
    let token = signs_in(&pair).await;
    assert_eq!(
        with(pair.site.get("/profile"), &token).send().await.assert_status(303).redirect(),
        "/login?next=/profile"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_token_opens_and_ends_nothing_after_the_sign_in() {
    let pair = Pair::with(Backend::Redis(RedisKind::Valkey), &ON);
    pair.user("ann").await;
    let unknown = "A".repeat(56);
    let started = with(pair.api.post("/api/visits"), &unknown).send().await;
    let planted = token(&started);
    assert_ne!(planted[..24], unknown[..24], "an unknown token is never taken over");
    let answer = with(login(&pair, &credentials(false)), &planted).send().await;
    let signed_in = token(&answer);
    for request in [pair.api.get("/api/me"), pair.api.get("/api/sessions")] {
        with(request, &planted).send().await.assert_status(401);
    }
    with(pair.api.post("/api/logout"), &planted).send().await.assert_status(409);
    pair.api.post("/api/logout").session(&planted).send().await.assert_status(409);
    with(pair.api.get("/api/me"), &signed_in).send().await.assert_status(200);
    // At the operators' routes the scheme stands for another token.
    with(pair.api.get("/readyz"), &signed_in).session("made-up").send().await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_names_the_scheme_if_tokens_are_accepted_and_the_missing_credential() {
    for (settings, challenge, said) in [
        (&[][..], "", "No session cookie was sent. Please sign in."),
        (&ON, r#"Bearer realm="session""#, "No valid session cookie or bearer token was sent. Please sign in."),
    ] {
        let pair = Pair::with(Backend::Embedded, settings);
        pair.user("ann").await;
        let wrong = json!({ "username": "ann", "password": "wrong" });
        assert_eq!(login(&pair, &wrong).send().await.assert_status(401).header("www-authenticate"), challenge);
        for request in [pair.api.get("/api/me"), with(pair.api.get("/api/me"), "malformed")] {
            assert_eq!(request.send().await.assert_status(401).json()["detail"], said);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openapi_lists_the_bearer_scheme_only_if_it_is_enabled() {
    for (settings, is_on) in [(&[][..], false), (&ON, true)] {
        let pair = Pair::with(Backend::Embedded, settings);
        let document = pair.api.get("/openapi.json").send().await.assert_status(200).json();
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(schemes["session"]["name"], COOKIE);
        let scheme = [&schemes["bearer"]["type"], &schemes["bearer"]["scheme"]].map(Value::as_str);
        assert_eq!(scheme, if is_on { [Some("http"), Some("bearer")] } else { [None, None] });
        let bearer = json!({ "bearer": [] });
        for (path, method) in [("/api/me", "get"), ("/api/visits", "post"), ("/api/sessions/{handle}", "delete")] {
            let security = document["paths"][path][method]["security"].as_array().unwrap();
            assert_eq!((security.contains(&bearer), security.contains(&json!({ "session": [] }))), (is_on, true));
        }
        assert!(document["paths"]["/api/public"]["get"]["security"].is_null());
        // A client generated from the document must send its token here, otherwise the user stays signed in.
        let logout = &document["paths"]["/api/logout"]["post"];
        let (nothing, cookie) = (json!({}), json!({ "session": [] }));
        let offered = if is_on { json!([nothing, cookie, bearer]) } else { json!([nothing, cookie]) };
        assert_eq!(logout["security"], offered);
        assert_eq!(logout["responses"]["400"].is_object(), is_on);
        for (path, method, status, tells) in [
            ("/api/login", "post", "200", true),
            ("/api/visits", "post", "200", true),
            ("/api/preferences/{name}", "put", "204", true),
            ("/api/preferences/{name}", "delete", "204", true),
            ("/api/sessions", "delete", "204", true),
            ("/api/me", "get", "200", false),
        ] {
            let header = &document["paths"][path][method]["responses"][status]["headers"]["Session-Token"];
            assert_eq!(header.is_object(), is_on && tells, "{method} {path}");
        }
    }
}
