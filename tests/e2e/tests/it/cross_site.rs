//! Requests that other sites cause in a visitor's browser.

use serde_json::json;

use harness::{Backend, Browser, Kind, Pair, Request, Service, TempDir, html};

const FOREIGN: &str = "https://evil.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_without_a_good_token_is_refused() {
    let pair = Pair::start(Backend::Embedded);
    let (ann, bob) = (Browser::new(), Browser::new());
    for (browser, name) in [(&ann, "ann"), (&bob, "bob")] {
        pair.user(name).await;
        browser.signs_in(&pair, name).await;
    }
    let page = ann.get(&pair.site, "/password").await;
    let of_ann = html::form(&page.body, "/password").remove(0).1;
    let of_bob = html::form(&bob.get(&pair.site, "/password").await.body, "/password").remove(0).1;
    let before_login = html::form(&Browser::new().get(&pair.site, "/login").await.body, "/login").remove(0).1;
    let wrong = "A".repeat(of_ann.len());
    let handle = ann.handle(&pair).await;
    let (old, new) = (Pair::password_of("ann"), "a password the visitor did not choose");

    for token in [None, Some(""), Some("x"), Some(&*wrong), Some(&*of_bob), Some(&*before_login)] {
        for (action, fields) in [
            ("/logout".to_owned(), vec![]),
            ("/password".to_owned(), vec![("old_password", &*old), ("new_password1", new), ("new_password2", new)]),
            (format!("/sessions/{handle}/revoke"), vec![]),
            ("/sessions/revoke-others".to_owned(), vec![]),
            ("/login".to_owned(), vec![("username", "demo"), ("password", "demo-password")]),
        ] {
            let mut fields = fields;
            fields.extend(token.map(|token| ("csrfmiddlewaretoken", token)));
            let answer = ann.send(pair.site.post(&action).form(&fields)).await;
            answer.assert_status(403).assert_no_session_cookie();
            let in_query = token.map(|_| format!("{action}?csrfmiddlewaretoken={of_ann}"));
            if let (Some(path), "/logout") = (in_query, &*action) {
                ann.send(pair.site.post(&path).form(&[])).await.assert_status(403);
            }
        }
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nothing happened");
    ann.send(pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &of_ann)])).await.assert_status(303);
    assert_eq!(ann.who(&pair).await, None, "with the token it does");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_signed_in_or_registered_by_a_form_of_another_browser() {
    let pair = Pair::start(Backend::Embedded);
    let (attacker, victim) = (Browser::new(), Browser::new());
    let tokens = async |browser: &Browser| {
        let login = browser.get(&pair.site, "/login").await.body;
        let register = browser.get(&pair.site, "/register").await.body;
        [html::form(&login, "/login").remove(0).1, html::form(&register, "/register").remove(0).1]
    };
    let [login, register] = tokens(&attacker).await;
    let _ = tokens(&victim).await;
    for browser in [&victim, &Browser::new()] {
        let fields = [("username", "demo"), ("password", "demo-password"), ("csrfmiddlewaretoken", &*login)];
        let answer = browser.send(pair.site.post("/login").form(&fields)).await;
        answer.assert_status(403).assert_no_session_cookie();
        let password = "a long enough password";
        let fields = [
            ("username", "eve"),
            ("email", ""),
            ("password1", password),
            ("password2", password),
            ("csrfmiddlewaretoken", &*register),
        ];
        browser.send(pair.site.post("/register").form(&fields)).await.assert_status(403);
        browser.sign_in_at_api(&pair, "eve", password).await.assert_status(401);
        assert_eq!(browser.who(&pair).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsafe_requests_of_other_sites_are_refused() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    ann.set_preference(&pair, "theme", &json!("dark")).await;
    let token = html::form(&ann.get(&pair.site, "/profile").await.body, "/logout").remove(0).1;

    let strange: [fn(Request) -> Request; 7] = [
        |request| request.on_page_of(FOREIGN, "cross-site"),
        // Independent of the other header.
        |request| request.header("sec-fetch-site", "cross-site"),
        |request| request.on_page_of(FOREIGN, "same-site"),
        |request| request.on_page_of("null", "same-site"),
        |request| request.on_page_of("null", "cross-site"),
        |request| request.header("origin", FOREIGN).without("sec-fetch-site"),
        |request| request.header("origin", "null").without("sec-fetch-site"),
    ];
    for (number, strange) in strange.into_iter().enumerate() {
        for request in [
            pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &token)]),
            pair.api.post("/api/logout"),
            pair.api.post("/api/visits"),
            pair.api.put("/api/preferences/theme").json(&json!("light")),
            pair.api.delete("/api/preferences/theme"),
            pair.api.delete("/api/sessions"),
            harness::browser::login_at_api(&pair.api, "demo", "demo-password"),
        ] {
            let answer = ann.send(strange(request)).await;
            assert_eq!(answer.status, 403, "{number}: {}", answer.shown);
            answer.assert_no_session_cookie();
        }
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nothing happened");
    assert_eq!(ann.preferences(&pair).await, json!({ "theme": "dark" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_the_other_services_pages_and_of_programs_pass() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let other = |service: &Service| if service.kind() == Kind::Site { Kind::Api } else { Kind::Site };
    let visits = pair.api.post("/api/visits");
    ann.send(visits.clone().on_page_of(other(&pair.api).origin(), "same-site")).await.assert_status(200);
    ann.send(visits.clone().on_page_of(other(&pair.api).origin(), "none").without("sec-fetch-site"))
        .await
        .assert_status(200);
    ann.send(visits.not_a_browser()).await.assert_status(200);
    let login = ann.get(&pair.site, "/profile").await;
    let token = html::form(&login.body, "/logout").remove(0).1;
    let logout = pair.site.post("/logout").form(&[("csrfmiddlewaretoken", &token)]);
    ann.send(logout.on_page_of(other(&pair.site).origin(), "same-site")).await.assert_status(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_port_is_an_allowed_origin_by_default() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data").display().to_string();
    let env = harness::pair::owned(&[("DATA_DIR", &data)]);
    let api = Service::start(Kind::Api, directory.path(), &env);
    let port = api.address().rsplit(':').next().unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let allowed = api.post("/api/visits").without("sec-fetch-site");
        for port in [port, "8000", "8001"] {
            let answer = allowed.clone().header("origin", &format!("http://{host}:{port}")).send().await;
            answer.assert_status(200);
        }
        let refused = allowed.clone().header("origin", &format!("http://{host}:1")).send().await;
        refused.assert_status(403);
        allowed.header("origin", &format!("https://{host}:{port}")).send().await.assert_status(403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_site_may_call_api_with_the_cookie_and_pages_of_others_may_not() {
    let pair = Pair::start(Backend::Embedded);
    let preflight = |method: &str, origin: &str| {
        pair.api
            .request("OPTIONS", "/api/preferences/theme")
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "content-type")
    };
    for method in ["GET", "PUT", "DELETE"] {
        let answer = preflight(method, Kind::Site.origin()).send().await;
        assert!((200..300).contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.header("access-control-allow-origin"), Kind::Site.origin());
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let simple = method == "GET";
        assert!(simple || answer.header_has("access-control-allow-methods", method), "{:?}", answer.headers);
        assert!(answer.header_has("access-control-allow-headers", "content-type"), "{:?}", answer.headers);

        for origin in [FOREIGN, "null"] {
            let refused = preflight(method, origin).send().await;
            let allowed = refused.header("access-control-allow-origin");
            assert!(allowed.is_empty() || allowed == Kind::Site.origin(), "{origin} may: {allowed}");
        }
    }
    for path in ["/api/session", "/api/me"] {
        let answer = pair.api.get(path).header("origin", Kind::Site.origin()).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), Kind::Site.origin(), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
        assert!(answer.header_has("vary", "origin"), "{path}: {:?}", answer.headers);
        for origin in [FOREIGN, "null"] {
            let foreign = pair.api.get(path).header("origin", origin).send().await;
            let allowed = foreign.header("access-control-allow-origin");
            assert!(allowed.is_empty() || allowed == Kind::Site.origin(), "{origin} may: {allowed}");
        }
    }
    let put = pair.api.put("/api/preferences/theme").json(&json!("dark"));
    let answer = put.on_page_of(Kind::Site.origin(), "same-site").send().await;
    answer.assert_status(204);
    assert_eq!(answer.header("access-control-allow-origin"), Kind::Site.origin());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_signs_anybody_out() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    for (service, path) in [(&pair.site, "/logout"), (&pair.api, "/api/logout")] {
        let answer = ann.get(service, path).await;
        answer.assert_status(405).assert_no_session_cookie();
    }
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
}
