//! One login, two services: the story on every kind of store.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, browser::owner_of, html};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_an_embedded_database() {
    tell(Pair::start(Backend::Embedded)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_an_older_redis_and_postgresql() {
    tell(Pair::start(Backend::RedisAndPostgres(RedisKind::Old))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_a_newer_redis_and_postgresql() {
    tell(Pair::start(Backend::RedisAndPostgres(RedisKind::New))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_valkey_and_postgresql() {
    tell(Pair::start(Backend::RedisAndPostgres(RedisKind::Valkey))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_redis_and_sqlite() {
    tell(Pair::start(Backend::Redis(RedisKind::New))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_login_is_shared_over_postgresql_alone() {
    tell(Pair::start(Backend::Postgres)).await;
}

async fn tell(mut pair: Pair) {
    pair.user("ann").await;
    let password = Pair::password_of("ann");
    let browser = Browser::new();
    assert_eq!(browser.who(&pair).await, None);

    // Before the login: one anonymous session, one counter, one set of preferences.
    browser.set_preference(&pair, "theme", &json!("dark")).await;
    let anonymous = browser.session().expect("a write starts a session");
    assert_eq!(count_at_api(&pair, &browser).await, 1);
    let home = browser.get(&pair.site, "/").await;
    assert_eq!(visits_on(&home), Some(2));
    assert!(home.body.contains(r#"data-theme="dark""#), "{}", home.body);
    assert_eq!(browser.who(&pair).await, None);

    // Signed in at site, known at api.
    assert_eq!(browser.sign_in_at_site(&pair, "ann", &password).await.redirect(), "/profile");
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    let signed_in = browser.session().unwrap();
    assert_ne!(signed_in, anonymous, "a login replaces the cookie");
    assert_eq!(owner_of(&pair, &anonymous).await, None, "the cookie from before the login opens nothing");
    assert_eq!(browser.preferences(&pair).await, json!({ "theme": "dark" }));
    assert_eq!(count_at_api(&pair, &browser).await, 3);
    assert_eq!(visits_on(&browser.get(&pair.site, "/").await), Some(4));

    // Signed out at api, gone at site.
    browser.sign_out_at_api(&pair).await.assert_status(204);
    assert_eq!(browser.session(), None, "the cookie is deleted");
    assert_eq!(browser.who(&pair).await, None);
    assert_eq!(owner_of(&pair, &signed_in).await, None, "a copy of the cookie opens nothing");
    assert_eq!(browser.preferences(&pair).await, json!({}));

    // Signed in at api, known at site.
    let me = browser.sign_in_at_api(&pair, "ann", &password).await;
    assert_eq!(me.assert_status(200).json()["username"], "ann");
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    browser.set_preference(&pair, "language", &json!("de")).await;
    assert!(browser.get(&pair.site, "/").await.body.contains("Willkommen"));

    // Both services restart: still signed in.
    pair.restart(&[]);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));

    // Signed out at site, gone at api.
    let signed_in = browser.session().unwrap();
    assert_eq!(browser.sign_out_at_site(&pair).await.redirect(), "/");
    assert_eq!(browser.session(), None, "the cookie is deleted");
    assert_eq!(browser.who(&pair).await, None);
    assert_eq!(owner_of(&pair, &signed_in).await, None, "a copy of the cookie opens nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preferences_are_stored_read_and_removed_by_name() {
    let pair = Pair::start(Backend::Redis(RedisKind::Old));
    let browser = Browser::new();
    let values = [json!("dark"), json!(null), json!(7), json!([1, {"a": "ü"}]), json!({"b": true})];
    for (number, value) in values.iter().enumerate() {
        let path = format!("/api/preferences/A.z_0-{number}");
        browser.send(pair.api.put(&path).json(value)).await.assert_status(204);
        assert_eq!(browser.get(&pair.api, &path).await.assert_status(200).json(), *value);
    }
    assert_eq!(browser.preferences(&pair).await.as_object().unwrap().len(), values.len());
    browser.send(pair.api.delete("/api/preferences/A.z_0-2")).await.assert_status(204);
    browser.get(&pair.api, "/api/preferences/A.z_0-2").await.assert_status(404);
    assert_eq!(browser.preferences(&pair).await.as_object().unwrap().len(), values.len() - 1);
    assert_eq!(Browser::new().preferences(&pair).await, json!({}), "another visitor has none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_endpoint_describes_the_session_and_never_shows_its_cookie() {
    let pair = Pair::start(Backend::Redis(RedisKind::Valkey));
    let browser = Browser::new();
    let session = browser.get(&pair.api, "/api/session").await.assert_status(200).json();
    assert_eq!(session["authenticated"], false);
    assert_eq!(session["handle"], json!(null));
    assert_eq!(session["visits"], 0);

    pair.user("ann").await;
    browser.signs_in(&pair, "ann").await;
    assert_eq!(count_at_api(&pair, &browser).await, 1);
    let answer = browser.get(&pair.api, "/api/session").await;
    let session = answer.json();
    assert_eq!(session["authenticated"], true);
    assert_eq!(session["visits"], 1);
    assert!(!session["created_at"].is_null() && !session["expires_at"].is_null(), "{session}");
    let (cookie, handle) = (browser.session().unwrap(), session["handle"].as_str().unwrap());
    let secret = cookie.strip_prefix(handle).expect("the cookie is the handle and a secret");
    assert!(secret.len() >= 22 && !answer.body.contains(secret), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_over_the_session_of_another_user_starts_with_nothing() {
    let pair = Pair::start(Backend::Redis(RedisKind::New));
    pair.user("ann").await;
    pair.user("bob").await;
    for at_site in [true, false] {
        let browser = Browser::new();
        browser.signs_in(&pair, "ann").await;
        browser.set_preference(&pair, "secret-of-ann", &json!(1)).await;
        let (cookie, handle) = (browser.session().unwrap(), browser.handle(&pair).await);
        if at_site {
            let page = browser.get(&pair.site, "/password").await;
            let token = html::form(&page.body, "/logout").remove(0).1;
            let password = Pair::password_of("bob");
            let fields = [("username", "bob"), ("password", &*password), ("csrfmiddlewaretoken", &*token)];
            browser.send(pair.site.post("/login").form(&fields)).await.assert_status(303);
        } else {
            browser.signs_in(&pair, "bob").await;
        }
        assert_eq!(browser.who(&pair).await.as_deref(), Some("bob"));
        assert_eq!(browser.preferences(&pair).await, json!({}));
        assert_ne!(browser.handle(&pair).await, handle);
        assert_ne!(browser.session().unwrap(), cookie);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_absolute_limit_ends_a_session_that_is_in_use() {
    for backend in [Backend::Embedded, Backend::Redis(RedisKind::Old)] {
        let pair = Pair::with(backend, &[("SESSION_IDLE", "4"), ("SESSION_ABSOLUTE", "4")]);
        pair.user("ann").await;
        let browser = Browser::new();
        browser.signs_in(&pair, "ann").await;
        assert_eq!(browser.get(&pair.api, "/api/me").await.status, 200);
        harness::eventually("the session ends", async || {
            let answer = browser.get(&pair.api, "/api/me").await;
            (answer.status == 401).then_some(())
        })
        .await;
        assert_eq!(browser.who(&pair).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_a_change_of_the_secret_key_while_the_old_one_is_a_fallback() {
    let mut pair = Pair::start(Backend::Redis(RedisKind::Old));
    pair.user("ann").await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    let new = "another secret key, which is long enough too";
    pair.restart(&[("SECRET_KEY", new), ("SECRET_KEY_FALLBACKS", harness::pair::SECRET_KEY)]);
    assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    pair.restart(&[("SECRET_KEY", "a third secret key that nobody has seen before"), ("SECRET_KEY_FALLBACKS", "")]);
    assert_eq!(browser.who(&pair).await, None, "a removed key is not accepted");
}

async fn count_at_api(pair: &Pair, browser: &Browser) -> u64 {
    browser.send(pair.api.post("/api/visits")).await.assert_status(200).json()["visits"].as_u64().unwrap()
}

/// The counter on the home page.
pub(crate) fn visits_on(home: &Answer) -> Option<u64> {
    home.assert_status(200);
    html::between(&home.body, r#"id="visits">"#, "<").unwrap().parse().ok()
}
