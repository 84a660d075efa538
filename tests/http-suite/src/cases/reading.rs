use serde_json::{Value, json};

use super::{add, get, insert};
use crate::{COOKIE, Site, Step};

pub async fn a_request_that_takes_no_session_touches_nothing(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let planted = format!("{COOKIE}={}", "A".repeat(56));
    for cookie in [visitor.cookie().unwrap(), planted, "other=1".into()] {
        let answer = site.request("GET", "/untouched").cookie(&cookie).send().await;
        answer.assert_ok();
        for name in ["set-cookie", "vary", "cache-control"] {
            assert_eq!(answer.header(name), None);
        }
    }
    assert!(site.world().calls().is_empty());
}

pub async fn without_a_cookie_the_store_is_not_called(site: &Site) {
    let answer = site.request("GET", "/script").script(&[get("a"), Step::Names]).send().await;
    assert_eq!(answer.results(), [Value::Null, json!([])]);
    assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
    assert_eq!(answer.header("cache-control"), None);
    answer.assert_no_cookie();
    assert!(site.world().calls().is_empty());
}

pub async fn the_first_write_sets_the_cookie(site: &Site) {
    let answer = site.request("POST", "/script").script(&[insert("a", 1)]).send().await;
    answer.assert_ok();
    assert!(answer.new_cookie().is_some(), "{answer:?}");
    assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
    assert_eq!(site.world().calls(), ["create"]);
    assert_eq!(site.world().memory().len(), 1);
}

pub async fn reading_costs_one_call_and_writing_two(site: &Site) {
    let visitor = site.visitor_with_session().await;
    assert_eq!(visitor.get("a").await, 1);
    assert_eq!(site.world().calls(), ["load"]);

    let answer = visitor.run(&[get("a"), insert("a", 2), insert("b", 3), get("b")]).await;
    assert_eq!(answer.results(), [json!(1), Value::Null, Value::Null, json!(3)]);
    answer.assert_no_cookie();
    assert_eq!(answer.header("cache-control"), None);
    assert_eq!(site.world().calls(), ["load", "replace"]);
}

pub async fn a_request_reads_the_writes_of_the_one_before(site: &Site) {
    let visitor = site.visitor_with_session().await;
    for n in 1..=6 {
        assert_eq!(visitor.run(&[add("n", 1)]).await.results(), [json!(n)]);
        assert_eq!(visitor.get("n").await, n);
    }
    visitor.run(&[Step::Remove("n".into())]).await.assert_ok();
    assert_eq!(visitor.run(&[get("n"), Step::Names]).await.results(), [Value::Null, json!(["a"])]);
}

pub async fn edits_without_effect_start_no_session(site: &Site) {
    let answer = site.request("POST", "/script").script(&[insert("a", 1), Step::Remove("a".into())]).send().await;
    answer.assert_ok();
    answer.assert_no_cookie();
    assert!(site.world().calls().is_empty());
}

pub async fn unknown_and_malformed_cookies_are_anonymous(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let good = visitor.cookie().unwrap();
    let wrong_secret = format!("{}{}", &good[..good.len() - 32], "A".repeat(32));
    let unknown = format!("{COOKIE}={}", "A".repeat(56));
    let malformed = [
        format!("{good}A"),
        good[..good.len() - 1].to_owned(),
        good.replace('=', "=\"") + "\"",
        good.replace("__Host-", "__host-"),
        format!("{COOKIE}=%41{}", "A".repeat(53)),
        format!("{COOKIE}="),
        format!("{COOKIE}=../../etc/passwd"),
        format!("{COOKIE}={}", "A".repeat(5000)),
        format!("={good}"),
        ";;=;".to_owned(),
    ];
    for cookie in malformed.iter().chain([&wrong_secret, &unknown]) {
        let answer = site.request("GET", "/script").cookie(cookie).script(&[get("a"), Step::Names]).send().await;
        assert_eq!(answer.results(), [Value::Null, json!([])], "{cookie}");
        answer.assert_no_cookie();
    }
    // Only the well-formed ones are looked up.
    assert_eq!(site.world().calls(), ["load", "load"]);
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn a_planted_cookie_is_never_taken_over(site: &Site) {
    let planted = format!("{COOKIE}={}", "A".repeat(56));
    let answer = site.request("POST", "/script").cookie(&planted).script(&[insert("a", 1)]).send().await;
    answer.assert_ok();
    let cookie = answer.new_cookie().unwrap();
    assert!(!cookie.contains(&"A".repeat(24)), "{cookie}");
    let answer = site.request("GET", "/script").cookie(&planted).script(&[get("a")]).send().await;
    assert_eq!(answer.results(), [Value::Null]);
}

pub async fn one_of_several_cookie_headers_is_enough(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let cookie = visitor.cookie().unwrap();
    for headers in [
        vec!["theme=dark; language=de", &cookie],
        vec![&cookie, "theme=dark"],
        vec!["theme=dark", "broken", &format!("x=1; {cookie} ;y"), "z=2"],
        vec![&cookie, &cookie],
        vec![&format!("{cookie}; {cookie}")],
    ] {
        let request = site.request("GET", "/script").script(&[get("a")]);
        let answer = headers.iter().fold(request, |request, header| request.cookie(header)).send().await;
        assert_eq!(answer.results(), [json!(1)], "{headers:?}");
    }
}

pub async fn different_session_cookies_are_anonymous(site: &Site) {
    let (one, other) = (site.visitor_with_session().await, site.visitor_with_session().await);
    let (one, other) = (one.cookie().unwrap(), other.cookie().unwrap());
    for headers in [vec![&*one, &*other], vec![&*format!("{one}; {other}")], vec![&*format!("{COOKIE}=x; {one}")]] {
        let request = site.request("GET", "/script").script(&[get("a")]);
        let answer = headers.iter().fold(request, |request, header| request.cookie(header)).send().await;
        assert_eq!(answer.results(), [Value::Null], "{headers:?}");
        answer.assert_no_cookie();
    }
    assert!(site.world().calls().is_empty());
}
