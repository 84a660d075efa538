//! Registration, sign-in, and changes of the password.

use harness::{Answer, Backend, Browser, Pair, browser::owner_of, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registered_user_can_sign_in_at_both_services() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let password = Pair::password_of("ann");
    let (at_site, at_api) = (Browser::new(), Browser::new());
    at_site.sign_in_at_site(&pair, "ann", &password).await.assert_status(303);
    let me = at_api.sign_in_at_api(&pair, "ann", &password).await.assert_status(200).json();
    assert_eq!((&me["username"], &me["email"]), (&"ann".into(), &"ann@example.org".into()));
    assert_eq!((&me["is_staff"], &me["is_superuser"]), (&false.into(), &false.into()));
    assert!(me["id"].is_string() && me["groups"].is_array() && me["permissions"].is_array(), "{me}");
    assert_eq!(at_site.who(&pair).await.as_deref(), Some("ann"));
    assert_eq!(at_api.get(&pair.api, "/api/me").await.json(), me);
    assert!(!me.to_string().contains("argon2") && me.get("password").is_none(), "{me}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_registration_creates_no_user() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let good = "correct horse battery";
    for (name, email, password1, password2) in [
        ("ann", "", good, good),
        ("", "", good, good),
        ("a b", "", good, good),
        ("bob", "not an address", good, good),
        ("bob", "", good, "correct horse batterx"),
        ("bob", "", "short", "short"),
        ("robert-the-user", "", "robert-the-user", "robert-the-user"),
        ("robert-the-user", "", "The-User-Robert", "The-User-Robert"),
        ("bob", "engines@example.org", "engines1", "engines1"),
        ("bob", "", "        ", "        "),
        ("bob", "", "8305729164", "8305729164"),
        ("bob", "", "P@ssw0rd!", "P@ssw0rd!"),
        ("bob", "", "qwertyuiop", "qwertyuiop"),
        ("ANN", "", good, good),
        ("aNn", "", good, good),
        ("\u{ff21}nn", "", good, good),
    ] {
        let browser = Browser::new();
        let fields = [("username", name), ("email", email), ("password1", password1), ("password2", password2)];
        let answer = browser.open_and_submit(&pair.site, "/register", "/register", &fields).await;
        assert!((400..500).contains(&answer.status), "{name:?}: {}", answer.status);
        assert!(answer.body.contains(r#"role="alert""#), "{name:?}: no message: {}", answer.body);
        for password in [password1, password2].into_iter().filter(|password| *password != name) {
            assert!(!answer.body.contains(&format!("value=\"{password}\"")), "the password is in the page");
        }
        answer.assert_no_session_cookie();
        if name != "ann" {
            browser.sign_in_at_api(&pair, name, password1).await.assert_status(401);
        }
    }
    Browser::new().signs_in(&pair, "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_an_unknown_name_get_the_same_401() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let attempts =
        [("ann", "not her password"), ("who-is-this", "not her password"), ("ann", "x"), ("who-is-this", "x")];

    let mut at_api = Vec::new();
    for (name, password) in attempts {
        let answer = Browser::new().sign_in_at_api(&pair, name, password).await;
        answer.assert_status(401).assert_no_session_cookie();
        at_api.push(answer.body);
    }
    assert!(at_api.iter().all(|body| *body == at_api[0]), "{at_api:?}");

    let mut messages = Vec::new();
    for (name, password) in attempts {
        let browser = Browser::new();
        let answer = browser.sign_in_at_site(&pair, name, password).await;
        answer.assert_status(401).assert_no_session_cookie();
        messages.push(html::between(&answer.body, r#"role="alert">"#, "</div>").expect("a message").to_owned());
        assert!(!answer.body.contains("not her password"), "the password is in the page");
        // The form of this answer works.
        let fields = [("username", "ann"), ("password", &*Pair::password_of("ann"))];
        browser.submit(&pair.site, &answer, "/login", &fields).await.assert_status(303);
    }
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_redirects_only_to_paths_of_the_site() {
    let pair = Pair::start(Backend::Embedded);
    let login = async |next: &'static str| {
        let fields = [("username", "demo"), ("password", "demo-password"), ("next", next)];
        Browser::new().open_and_submit(&pair.site, "/login", "/login", &fields).await.redirect()
    };
    assert_eq!(login("/sessions").await, "/sessions");
    assert_eq!(login("/?a=b&c=d").await, "/?a=b&c=d");
    for elsewhere in [
        "",
        "//evil.example",
        "///evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "/%2f/evil.example",
        "/%5cevil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/a\r\nset-cookie: a=b",
    ] {
        assert_eq!(login(elsewhere).await, "/profile", "{elsewhere:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_leads_back_to_the_page_that_required_it() {
    let pair = Pair::start(Backend::Embedded);
    let browser = Browser::new();
    assert_eq!(browser.get(&pair.site, "/profile").await.redirect(), "/login?next=/profile");
    let to_login = browser.get(&pair.site, "/sessions").await.redirect();
    let fields = [("username", "demo"), ("password", "demo-password")];
    let answer = browser.open_and_submit(&pair.site, &to_login, "/login", &fields).await;
    assert_eq!(answer.redirect(), "/sessions");
    browser.get(&pair.site, "/sessions").await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_every_other_session_and_keeps_this_one() {
    let pair = Pair::start(Backend::Redis(test_servers::RedisKind::Old));
    pair.user("ann").await;
    pair.user("bob").await;
    let [here, there, elsewhere, bob] = [Browser::new(), Browser::new(), Browser::new(), Browser::new()];
    for browser in [&here, &there, &elsewhere] {
        browser.signs_in(&pair, "ann").await;
    }
    bob.signs_in(&pair, "bob").await;
    let (old, new) = (Pair::password_of("ann"), "a new password of ann");

    for (old, new1, new2) in [("wrong", new, new), (&*old, new, "something else"), (&*old, "short", "short")] {
        let answer = change_password(&pair, &here, old, new1, new2).await;
        assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.body);
        assert_eq!(there.who(&pair).await.as_deref(), Some("ann"), "a refused change ends nothing");
    }
    Browser::new().signs_in(&pair, "ann").await;

    let stolen = there.session().unwrap();
    change_password(&pair, &here, &old, new, new).await.assert_status(303);
    assert_eq!(here.who(&pair).await.as_deref(), Some("ann"), "this session is kept");
    assert_eq!(there.who(&pair).await, None);
    assert_eq!(elsewhere.who(&pair).await, None);
    assert_eq!(owner_of(&pair, &stolen).await, None);
    assert_eq!(bob.who(&pair).await.as_deref(), Some("bob"), "other users are left alone");

    Browser::new().sign_in_at_api(&pair, "ann", &old).await.assert_status(401);
    Browser::new().sign_in_at_site(&pair, "ann", &old).await.assert_status(401);
    Browser::new().sign_in_at_api(&pair, "ann", new).await.assert_status(200);
    Browser::new().sign_in_at_site(&pair, "ann", new).await.assert_status(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_is_neither_weak_nor_the_old_one() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let ann = Browser::new();
    ann.signs_in(&pair, "ann").await;
    let old = Pair::password_of("ann");
    for new in [&*old, "password1", "1234567890", "         ", "ann@example.org", "annexample"] {
        let answer = change_password(&pair, &ann, &old, new, new).await;
        assert!(answer.assert_status(422).body.contains(r#"role="alert""#), "{new:?}: {}", answer.body);
    }
    Browser::new().signs_in(&pair, "ann").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_concurrent_password_changes_only_one_is_made() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let mut old = Pair::password_of("ann");
    let mut superseded = 0;
    for round in 0..12 {
        let browsers = [Browser::new(), Browser::new()];
        let new = ["first", "second"].map(|which| format!("the {which} pass phrase of round {round}"));
        let mut changes = Vec::new();
        for (browser, new) in browsers.iter().zip(&new) {
            browser.sign_in_at_api(&pair, "ann", &old).await.assert_status(200);
            let token = html::form(&browser.get(&pair.site, "/password").await.body, "/password").remove(0).1;
            let fields = [
                ("csrfmiddlewaretoken", &*token),
                ("old_password", &*old),
                ("new_password1", &**new),
                ("new_password2", &**new),
            ];
            changes.push(browser.prepare(pair.site.post("/password").form(&fields)).send());
        }
        let answers = harness::all(changes).await;
        let made: Vec<_> = answers.iter().map(|answer| answer.status == 303).collect();
        assert_ne!(made[0], made[1], "{} and {}", answers[0].status, answers[1].status);
        for late in answers.iter().filter(|answer| answer.status == 409) {
            superseded += 1;
            assert!(late.body.contains("Your password was changed already"), "{}", late.body);
        }
        let [kept, lost] = if made[0] { [&new[0], &new[1]] } else { [&new[1], &new[0]] };
        Browser::new().sign_in_at_api(&pair, "ann", lost).await.assert_status(401);
        Browser::new().sign_in_at_api(&pair, "ann", kept).await.assert_status(200);
        old.clone_from(kept);
    }
    assert!(superseded > 0, "the two requests never overlapped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_user_are_for_users() {
    let pair = Pair::start(Backend::Embedded);
    for path in ["/profile", "/password", "/sessions"] {
        let location = Browser::new().get(&pair.site, path).await.redirect();
        assert_eq!(location, format!("/login?next={path}"));
    }
    for path in ["/api/me", "/api/sessions"] {
        Browser::new().get(&pair.api, path).await.assert_status(401);
    }
    Browser::new().send(pair.api.delete("/api/sessions")).await.assert_status(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_is_possible_without_being_signed_in() {
    let pair = Pair::start(Backend::Embedded);
    let browser = Browser::new();
    browser.sign_out_at_api(&pair).await.assert_status(204);
    browser.send(pair.api.post("/api/logout").not_a_browser()).await.assert_status(204);
    pair.api.post("/api/logout").session(&"A".repeat(56)).send().await.assert_status(204);
}

async fn change_password(pair: &Pair, browser: &Browser, old: &str, new1: &str, new2: &str) -> Answer {
    let fields = [("old_password", old), ("new_password1", new1), ("new_password2", new2)];
    browser.open_and_submit(&pair.site, "/password", "/password", &fields).await
}
