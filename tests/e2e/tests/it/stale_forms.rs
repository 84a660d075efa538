//! Forms of pages that are older than the visitor's session: they have no effect, the typed text is kept, and the
//! message does not blame another site.

use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, Request, TempDir, html};

const TOO_OLD: &str = "The page was too old to be used.";

#[track_caller]
fn offers_again(answer: &Answer, action: &str) {
    answer.assert_status(403).assert_no_session_cookie();
    assert!(answer.body.contains(TOO_OLD), "{}", answer.body);
    assert!(!answer.body.contains("another site"), "{}", answer.body);
    assert!(html::actions(&answer.body).iter().any(|known| known == action), "{action}: {}", answer.body);
}

/// Our own form tokens, and Django's.
async fn pairs(directory: &TempDir) -> [Pair; 2] {
    let native = Pair::start(Backend::Embedded);
    native.user("ann").await;
    let users = format!("sqlite://{}", directory.path().join("users.sqlite3").display());
    let mut django = Pair::with(Backend::Redis(RedisKind::Old), &[("DATABASE_URL", &users)]);
    django.user("ann").await;
    django.restart(&[("SESSION_PROFILE", "django-cache")]);
    [native, django]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_tab_signs_out_at_the_second_press() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        let ann = Browser::new();
        ann.signs_in(&pair, "ann").await;
        let old = ann.get(&pair.site, "/profile").await;
        ann.signs_in(&pair, "ann").await;
        let refused = ann.submit(&pair.site, &old, "/logout", &[]).await;
        offers_again(&refused, "/logout");
        assert!(refused.body.contains("You are still signed in as ann."), "{}", refused.body);
        assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"));
        let out = ann.submit(&pair.site, &refused, "/logout", &[]).await;
        assert_eq!(out.redirect(), "/");
        assert_eq!(ann.who(&pair).await, None);

        let already = ann.submit(&pair.site, &old, "/logout", &[]).await;
        already.assert_status(403).assert_no_session_cookie();
        assert!(already.body.contains("You are not signed in any more."), "{}", already.body);
        assert!(!already.body.contains(TOO_OLD), "{}", already.body);
        assert!(!already.body.contains("another site"), "{}", already.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_forms_keep_the_typed_text_but_no_password() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        let browser = Browser::new();
        let login = browser.get(&pair.site, "/login?next=/sessions").await;
        let register = browser.get(&pair.site, "/register?next=/sessions").await;
        browser.signs_in(&pair, "ann").await;
        let password = "a secret that was typed";
        let fields =
            [("username", "bob"), ("email", "bob@example.org"), ("password1", password), ("password2", password)];
        let refused = browser.submit(&pair.site, &register, "/register", &fields).await;
        offers_again(&refused, "/register");
        assert!(!refused.body.contains(password));
        let kept = html::form(&refused.body, "/register");
        for (name, value) in
            [("username", "bob"), ("email", "bob@example.org"), ("next", "/sessions"), ("password1", "")]
        {
            assert!(kept.iter().any(|field| *field == (name.to_owned(), value.to_owned())), "{name}: {kept:?}");
        }
        let fields = [("password1", password), ("password2", password)];
        assert_eq!(browser.submit(&pair.site, &refused, "/register", &fields).await.redirect(), "/sessions");
        assert_eq!(browser.who(&pair).await.as_deref(), Some("bob"));

        let fields = [("username", "bob"), ("password", password)];
        let refused = browser.submit(&pair.site, &login, "/login", &fields).await;
        offers_again(&refused, "/login");
        assert!(!refused.body.contains(password));
        let answer = browser.submit(&pair.site, &refused, "/login", &fields[1..]).await;
        assert_eq!(answer.redirect(), "/sessions");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_forms_of_the_account_are_offered_again_or_ask_for_a_sign_in() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        let (ann, phone) = (Browser::new(), Browser::new());
        for browser in [&ann, &phone] {
            browser.signs_in(&pair, "ann").await;
        }
        let (password, devices) = (ann.get(&pair.site, "/password").await, ann.get(&pair.site, "/sessions").await);
        let of_phone = format!("/sessions/{}/revoke", phone.handle(&pair).await);
        ann.signs_in(&pair, "ann").await;
        let (old, new) = (Pair::password_of("ann"), "the next pass phrase");
        let fields = [("old_password", &*old), ("new_password1", new), ("new_password2", new)];
        let refused = ann.submit(&pair.site, &password, "/password", &fields).await;
        offers_again(&refused, "/password");
        assert!(!refused.body.contains(new) && !refused.body.contains(&old));
        for action in [&*of_phone, "/sessions/revoke-others"] {
            offers_again(&ann.submit(&pair.site, &devices, action, &[]).await, &of_phone);
        }
        assert_eq!(phone.who(&pair).await.as_deref(), Some("ann"), "nothing happened");

        ann.sign_out_at_api(&pair).await.assert_status(204);
        for (page, action, fields) in [(&password, "/password", &fields[..]), (&devices, &*of_phone, &[])] {
            let refused = ann.submit(&pair.site, page, action, fields).await;
            refused.assert_status(403);
            assert!(refused.body.contains("You may be signed out by now"), "{}", refused.body);
            assert!(!refused.body.contains("another site") && !refused.body.contains(new), "{}", refused.body);
        }
        let refused = ann.submit(&pair.site, &password, "/password", &fields).await;
        assert!(refused.body.contains("href=\"/login\""), "{}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_forms_of_staff_are_offered_again_and_change_nothing() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    pair.superuser("root");
    let (ann, root) = (Browser::new(), Browser::new());
    ann.signs_in(&pair, "ann").await;
    root.signs_in(&pair, "root").await;
    let id = ann.get(&pair.api, "/api/me").await.json()["id"].as_str().unwrap().to_owned();
    let user = root.get(&pair.site, &format!("/admin/users/{id}")).await;
    let sessions = root.get(&pair.site, "/admin/sessions").await;
    root.signs_in(&pair, "root").await;
    for what in ["active", "staff", "sign-out"] {
        let action = format!("/admin/users/{id}/{what}");
        offers_again(&root.submit(&pair.site, &user, &action, &[]).await, &action);
    }
    let revoke = format!("/admin/sessions/{}/revoke", ann.handle(&pair).await);
    offers_again(&root.submit(&pair.site, &sessions, &revoke, &[]).await, &revoke);
    assert_eq!(ann.who(&pair).await.as_deref(), Some("ann"), "nothing happened");
    let again = root.submit(&pair.site, &sessions, &revoke, &[]).await;
    assert_eq!(root.submit(&pair.site, &again, &revoke, &[]).await.redirect(), "/admin/sessions");
    assert_eq!(ann.who(&pair).await, None);

    // The old page reveals nothing to visitors who are no longer staff or never were.
    let refused = ann.submit(&pair.site, &user, &format!("/admin/users/{id}/active"), &[]).await;
    assert!(!refused.body.contains("ann@example.org"), "{}", refused.body);
    refused.assert_status(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_keeps_no_cookies_gets_an_explanation() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        for (path, fields) in
            [("/login", &[("username", "ann"), ("password", "x")][..]), ("/register", &[("username", "x")])]
        {
            let page = pair.site.get(path).send().await;
            let refused = Browser::new().submit(&pair.site, &page, path, fields).await;
            refused.assert_status(403);
            assert!(refused.body.contains("allow cookies"), "{}", refused.body);
            assert!(!refused.body.contains("another site"), "{}", refused.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_gives_its_reason() {
    let pair = Pair::start(Backend::Embedded);
    type Change = fn(Request) -> Request;
    let cases: [(Change, &str); 3] = [
        (
            |request| request.on_page_of("https://evil.example", "cross-site"),
            "A page of another site sent this request.",
        ),
        (
            |request| request.header("origin", "http://unknown.test").without("sec-fetch-site"),
            "This service does not accept forms from the address that you used.",
        ),
        (|request| request.header("sec-fetch-site", "strange"), "does not say clearly which page"),
    ];
    for (case, said) in cases {
        let answer = case(pair.site.post("/logout").form(&[])).send().await;
        assert!(answer.assert_status(403).body.contains(said), "{}", answer.body);
        case(pair.api.post("/api/logout")).send().await.assert_status(403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_says_whether_a_session_ended_or_no_cookie_came() {
    let directory = TempDir::new().unwrap();
    for pair in pairs(&directory).await {
        let ann = Browser::new();
        ann.signs_in(&pair, "ann").await;
        let session = ann.session().unwrap();
        ann.sign_out_at_api(&pair).await.assert_status(204);
        let detail = async |request: Request| request.send().await.assert_status(401).json()["detail"].clone();
        assert_eq!(detail(pair.api.get("/api/me")).await, "No session cookie was sent. Please sign in.");
        let with_cookie = pair.api.get("/api/me").session(&session);
        assert_eq!(detail(with_cookie).await, "Your session has ended. Please sign in.");

        let login = pair.site.get("/login").session(&session).send().await;
        assert!(login.assert_status(200).body.contains("Your session has ended."), "{}", login.body);
        let login = pair.site.get("/login").send().await;
        assert!(!login.body.contains("Your session has ended."), "{}", login.body);
    }
}
