//! Cookies with the same name in several scopes of a browser. The cookie of `/plain/script` has no prefix that would
//! forbid them.

use reqwest::header::HOST;

use super::{get, insert, login};
use crate::{Answer, PLAIN_COOKIE, Site, Step};

const ATTRIBUTES: &str = "; HttpOnly; SameSite=Lax; Path=/";

async fn ask(site: &Site, cookie: &str, steps: &[Step]) -> Answer {
    let request = site.request("POST", "/plain/script").header(HOST.as_str(), "app.example.com:8080");
    let answer = request.cookie(cookie).script(steps).send().await;
    answer.assert_ok();
    answer
}

/// A session that holds `name`, as a `Cookie` header.
async fn session_of(site: &Site, name: &str) -> String {
    let answer = ask(site, "", &[insert("name", name)]).await;
    let [cookie] = answer.set_cookies()[..] else { panic!("{answer:?}") };
    cookie.strip_suffix(ATTRIBUTES).unwrap().to_owned()
}

/// The host's cookies in the browser afterwards: only the last one set.
fn kept(answer: &Answer) -> String {
    let cookies = answer.set_cookies();
    let (last, expired) = cookies.split_last().expect("a cookie");
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    for domain in ["", "; Domain=app.example.com", "; Domain=example.com"] {
        for path in ["/", "/plain", "/plain/", "/plain/script"] {
            let scope = format!("{PLAIN_COOKIE}=; HttpOnly; SameSite=Lax; Path={path}{domain}; Max-Age=0");
            let own = domain.is_empty() && path == "/";
            assert_eq!(expired.contains(&scope.as_str()), !own, "{scope}: {cookies:?}");
        }
    }
    (*last).to_owned()
}

pub async fn a_sign_in_with_twin_cookies_works(site: &Site) {
    let (one, other) = (session_of(site, "one").await, session_of(site, "other").await);
    let twins = format!("{one}; {other}");
    let read = ask(site, &twins, &[get("name")]).await;
    assert_eq!(read.results(), [serde_json::Value::Null], "conflicting cookies are ignored");
    read.assert_no_cookie();

    let answer = ask(site, &twins, &[login("ann"), insert("name", "new")]).await;
    let new = kept(&answer);
    let new = new.strip_suffix(ATTRIBUTES).unwrap();
    assert_eq!(ask(site, new, &[get("name")]).await.results(), ["new"]);
}

pub async fn a_sign_out_with_twin_cookies_ends_the_sessions_that_they_open(site: &Site) {
    let (one, other) = (session_of(site, "one").await, session_of(site, "other").await);
    let answer = ask(site, &format!("{one}; {other}"), &[Step::Logout]).await;
    let last = kept(&answer);
    assert!(last.starts_with(&format!("{PLAIN_COOKIE}=;")) && last.contains("Max-Age=0"), "{last}");
    for ended in [one, other] {
        assert_eq!(ask(site, &ended, &[get("name")]).await.results(), [serde_json::Value::Null]);
    }
    assert_eq!(site.world().memory().len(), 0);
}

pub async fn equal_twins_count_and_are_expired_when_one_is_replaced(site: &Site) {
    let one = session_of(site, "one").await;
    let twins = format!("{one}; {one}");
    let read = ask(site, &twins, &[get("name")]).await;
    assert_eq!(read.results(), ["one"]);
    read.assert_no_cookie();
    let new = kept(&ask(site, &twins, &[Step::CycleId]).await);
    assert_ne!(new.strip_suffix(ATTRIBUTES), Some(&*one));
}

pub async fn a_single_cookie_is_expired_only_in_other_domains(site: &Site) {
    let one = session_of(site, "one").await;
    let answer = ask(site, &one, &[Step::CycleId]).await;
    let cookies = answer.set_cookies();
    let expired = |domain| format!("{PLAIN_COOKIE}=; HttpOnly; SameSite=Lax; Path=/; Domain={domain}; Max-Age=0");
    assert_eq!(cookies[..cookies.len() - 1], [expired("app.example.com"), expired("example.com")]);
}
