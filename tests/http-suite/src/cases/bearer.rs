use serde_json::{Value, json};
use shared_session::ErrorKind;

use super::{add, get, insert, login};
use crate::{Answer, COOKIE, ORIGIN, Request, Site, Step};

const VARY: Option<&str> = Some("Cookie, Authorization");

/// The new token of an answer; checks that caches do not store it.
fn token(answer: &Answer) -> String {
    answer.assert_ok();
    answer.assert_no_cookie();
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    answer.header("session-token").expect("a token")
}

fn with(request: Request, token: &str) -> Request {
    request.header("authorization", &format!("Bearer {token}"))
}

async fn run(site: &Site, token: &str, steps: &[Step]) -> Answer {
    with(site.request("POST", "/bearer/script"), token).script(steps).send().await
}

async fn signed_in(site: &Site, name: &str) -> String {
    let steps = [login(name), Step::AnswerWithBearer];
    let token = token(&site.request("POST", "/bearer/script").script(&steps).send().await);
    site.world().calls().clear();
    token
}

pub async fn a_client_with_a_token_gets_no_cookie(site: &Site) {
    let first = signed_in(site, "ann").await;
    let answer = run(site, &first, &[insert("a", 1), get("a")]).await;
    assert_eq!(answer.results(), [Value::Null, json!(1)]);
    answer.assert_no_cookie();
    assert_eq!((answer.header("session-token"), answer.header("vary").as_deref()), (None, VARY));
    assert_eq!(answer.header("cache-control").as_deref(), Some("private"));
    assert_eq!(site.world().calls(), ["load", "replace"]);

    let second =
        token(&run(site, &first, &[Step::CycleId, Step::Header("cache-control".into(), "public".into())]).await);
    assert_ne!(first, second);
    assert_eq!(run(site, &first, &[get("a")]).await.results(), [Value::Null], "the old token is invalid at once");
    assert_eq!(run(site, &second, &[get("a")]).await.results(), [json!(1)]);
    // The token equals the value that the cookie would have.
    let cookie = format!("{COOKIE}={second}");
    let answer = site.request("POST", "/script").cookie(&cookie).script(&[get("a")]).send().await;
    assert_eq!((answer.results(), answer.header("vary").as_deref()), (vec![json!(1)], Some("Cookie")));

    let untouched = with(site.request("GET", "/bearer/untouched"), &second).send().await;
    assert_eq!((untouched.header("vary"), untouched.header("cache-control")), (None, None));
    let answer = run(site, &second, &[Step::Logout]).await;
    answer.assert_ok();
    answer.assert_no_cookie();
    assert!(answer.header("session-token").is_none() && site.world().memory().is_empty());
}

pub async fn a_token_beside_the_cookie_is_refused(site: &Site) {
    let (token, visitor) = (signed_in(site, "ann").await, site.signed_in("bob").await);
    let cookie = visitor.cookie().unwrap();
    site.world().calls().clear();
    for cookie in [cookie.clone(), format!("{COOKIE}=made-up"), format!("theme=dark; {cookie}")] {
        let request = with(site.request("POST", "/bearer/script"), &token).cookie(&cookie);
        let answer = request.script(&[insert("a", 1), Step::Logout]).send().await;
        answer.assert_problem_without_layer(ErrorKind::AmbiguousCredentials);
        assert_eq!((answer.status, answer.header("vary").as_deref()), (400, VARY));
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="session", error="invalid_request""#));
        with(site.request("GET", "/bearer/untouched"), &token).cookie(&cookie).send().await.assert_ok();
    }
    // Two headers: proxies differ in which one they use.
    for other in [format!("Bearer {token}"), "Basic eDp5".to_owned()] {
        let request = with(site.request("POST", "/bearer/script"), &token).header("authorization", &other);
        let answer = request.script(&[Step::Logout]).send().await;
        answer.assert_problem_without_layer(ErrorKind::AmbiguousCredentials);
    }
    assert_eq!(site.world().calls(), Vec::<&str>::new());

    // Scripts must not get the value that the browser keeps from them.
    let steps = [Step::AnswerWithBearer, Step::CycleId];
    let answer = site.request("POST", "/bearer/script").cookie(&cookie).script(&steps).send().await;
    answer.assert_problem_without_layer(ErrorKind::AmbiguousCredentials);
    assert_eq!(answer.header("session-token"), None);
    // If bearer tokens are off, the header belongs to another scheme and is ignored.
    let answer = with(site.request("POST", "/script"), &token).cookie(&cookie).script(&[insert("a", 1)]).send().await;
    answer.assert_ok();
    assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
}

pub async fn malformed_tokens_are_anonymous_and_reach_no_store(site: &Site) {
    let token = signed_in(site, "ann").await;
    for header in [
        "Bearer".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer {token}="),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {}", &token[..55]),
        format!("Bearer {}", "A".repeat(4000)),
        format!("Basic {token}"),
        format!("Basic x, Bearer {token}"),
        token.clone(),
    ] {
        let request = site.request("POST", "/bearer/script").header("authorization", &header);
        let answer = request.script(&[get("a")]).send().await;
        assert_eq!(answer.results(), [Value::Null], "{header:.80}");
        assert_eq!(site.world().calls(), Vec::<&str>::new(), "{header:.80}");
    }
    let lower = site.request("POST", "/bearer/script").header("authorization", &format!("bEARER {token}"));
    lower.script(&[insert("a", 1)]).send().await.assert_ok();
    assert_eq!(run(site, &token, &[get("a")]).await.results(), [json!(1)]);
    for path in ["access_token", "token", "session-token"].map(|name| format!("/bearer/script?{name}={token}")) {
        let request = site.request("POST", &path).form(&[("access_token", &token)]);
        assert_eq!(request.script(&[get("a")]).send().await.results(), [Value::Null], "a token elsewhere");
    }
    // A token that the client chose is never adopted.
    let planted = "A".repeat(56);
    let answer = run(site, &planted, &[insert("a", 1)]).await;
    assert_ne!(self::token(&answer)[..24], planted[..24]);
}

pub async fn requests_of_other_sites_pass_with_a_token_and_without_a_cookie(site: &Site) {
    let (token, visitor) = (signed_in(site, "ann").await, site.signed_in("bob").await);
    let foreign = || site.request("POST", "/bearer/guarded/script").script(&[add("n", 1)]);
    let headers = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let of_page = |request: Request| headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    with(of_page(foreign()), &token).send().await.assert_ok();
    for refused in [
        of_page(foreign()),
        of_page(foreign()).cookie(&visitor.cookie().unwrap()),
        with(of_page(foreign()), &token).cookie(&visitor.cookie().unwrap()),
        with(of_page(foreign()), &token).cookie("theme=dark"),
        with(of_page(foreign()), &token).header("authorization", "Basic eDp5"),
        of_page(foreign()).header("authorization", "Basic eDp5"),
    ] {
        refused.send().await.assert_problem_without_layer(ErrorKind::CrossSite);
    }
    // A check that is not configured for bearer tokens refuses them too.
    let answer = with(of_page(site.request("POST", "/guarded/script")), &token).script(&[add("n", 1)]).send().await;
    answer.assert_problem_without_layer(ErrorKind::CrossSite);
    let own = with(foreign(), &token).header("origin", ORIGIN).header("sec-fetch-site", "same-site");
    assert_eq!(own.send().await.results(), [json!(2)]);
}

pub async fn a_form_with_a_token_needs_no_form_token(site: &Site) {
    let token = signed_in(site, "ann").await;
    let post = || site.request("POST", "/bearer/form").form(&[("text", "hi")]);
    let answer = with(post(), &token).send().await;
    answer.assert_ok();
    assert_eq!(answer.body, "hi");
    post().send().await.assert_form_problem(ErrorKind::StaleForm);
    with(post(), &token).cookie("theme=dark").send().await.assert_form_problem(ErrorKind::StaleForm);
}

pub async fn a_page_for_signed_in_users_is_a_401_to_a_token(site: &Site) {
    let answer = site.request("GET", "/bearer/page").send().await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (303, None));
    let answer = with(site.request("GET", "/bearer/page"), "unknown").send().await;
    answer.assert_problem_without_layer(ErrorKind::Unauthenticated);
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="session", error="invalid_token""#));
    with(site.request("GET", "/bearer/page"), &signed_in(site, "ann").await).send().await.assert_ok();
}
