//! "Keep me signed in on this device", at both services and read by both.

use serde_json::json;
use test_servers::RedisKind;

use harness::{Answer, Backend, Browser, Pair, browser::login_at_api};

/// `None`: until the browser is closed.
fn max_age(answer: &Answer) -> Option<&str> {
    let cookie = answer.session_set_cookie().expect("a session cookie");
    cookie.split("; ").find_map(|attribute| attribute.strip_prefix("Max-Age="))
}

async fn at_site(pair: &Pair, browser: &Browser, remember: bool) -> Answer {
    let (password, box_) = (Pair::password_of("ann"), [("remember", "on")]);
    let mut fields = vec![("username", "ann"), ("password", &*password)];
    fields.extend(box_.iter().filter(|_| remember));
    browser.open_and_submit(&pair.site, "/login", "/login", &fields).await
}

async fn at_api(pair: &Pair, browser: &Browser, remember: Option<bool>) -> Answer {
    let login = json!({ "username": "ann", "password": Pair::password_of("ann"), "remember": remember });
    browser.send(pair.api.post("/api/login").json(&login)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_user_stays_signed_in_when_the_browser_is_closed() {
    let closing = [("SESSION_EXPIRE_AT_BROWSER_CLOSE", "on"), ("SESSION_REMEMBER_AGE", "9000000")];
    let pair = Pair::with(Backend::Redis(RedisKind::New), &closing);
    pair.user("ann").await;
    let browser = Browser::new();
    for (remember, age) in [(true, Some("9000000")), (false, None)] {
        assert_eq!(max_age(&at_site(&pair, &browser, remember).await), age, "site, {remember}");
        assert_eq!(max_age(&at_api(&pair, &browser, Some(remember)).await), age, "api, {remember}");
        assert_eq!(browser.who(&pair).await.as_deref(), Some("ann"));
    }
    assert_eq!(max_age(&at_api(&pair, &browser, None).await), None, "as configured");

    // A new password replaces the cookie and keeps the choice.
    at_api(&pair, &browser, Some(true)).await.assert_status(200);
    let (old, new) = (Pair::password_of("ann"), "another correct horse");
    let fields = [("old_password", &*old), ("new_password1", new), ("new_password2", new)];
    let changed = browser.open_and_submit(&pair.site, "/password", "/password", &fields).await;
    assert_eq!(max_age(&changed), Some("9000000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_box_the_cookie_is_as_configured() {
    let pair = Pair::start(Backend::Embedded);
    pair.user("ann").await;
    let browser = Browser::new();
    assert_eq!(max_age(&at_site(&pair, &browser, false).await), Some("7776000"));
    let login = login_at_api(&pair.api, "ann", &Pair::password_of("ann"));
    assert_eq!(max_age(&browser.send(login).await), Some("7776000"));
    assert_eq!(max_age(&at_api(&pair, &browser, Some(false)).await), None, "until the browser is closed");
    let wrong = json!({ "username": "ann", "password": Pair::password_of("ann"), "remember": "yes" });
    browser.send(pair.api.post("/api/login").json(&wrong)).await.assert_status(422);
}
