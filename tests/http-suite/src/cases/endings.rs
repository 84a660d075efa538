use serde_json::{Value, json};

use super::{get, insert, login, wait};
use crate::{Site, Step};

pub async fn a_5xx_commits_nothing(site: &Site) {
    let answer = site.request("POST", "/script").script(&[insert("a", 1), Step::Status(500)]).send().await;
    assert_eq!(answer.status, 500);
    answer.assert_no_cookie();
    assert!(site.world().calls().is_empty());

    let visitor = site.visitor_with_session().await;
    for edit in [insert("a", 2), insert("b", 2), Step::CycleId, login("ann"), Step::Logout] {
        let answer = visitor.run(&[edit, Step::Status(503)]).await;
        assert_eq!(answer.status, 503);
        answer.assert_no_cookie();
        assert_eq!(site.world().calls(), ["load"]);
    }
    assert_eq!(visitor.run(&[get("a"), Step::Names]).await.results(), [json!(1), json!(["a"])]);
}

pub async fn a_4xx_commits(site: &Site) {
    let visitor = site.visitor();
    let answer = visitor.run(&[insert("a", 1), Step::Status(404)]).await;
    assert_eq!(answer.status, 404);
    assert!(answer.new_cookie().is_some());
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn a_panic_commits_nothing(site: &Site) {
    let visitor = site.visitor_with_session().await;
    for edit in [insert("a", 2), Step::CycleId, Step::Logout] {
        let answer = visitor.request("POST", "/script").script(&[edit, Step::Panic]).try_send().await;
        assert!(answer.is_none_or(|answer| answer.status == 500 && answer.set_cookies().is_empty()));
        assert_eq!(site.world().calls(), ["load"]);
    }
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn a_request_whose_client_went_away_commits_nothing(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let gate = site.world().gate("gate");
    let request = visitor.request("POST", "/script").script(&[insert("a", 2), Step::CycleId, wait("gate")]);
    let client = tokio::spawn(request.try_send());
    gate.wait_for_arrivals(1).await;
    client.abort();
    gate.wait_for_departures(1).await;
    gate.open();
    assert_eq!(visitor.get("a").await, 1);
    assert_eq!(site.world().calls(), ["load", "load"]);
}

pub async fn a_commit_of_a_handler_outlives_its_failure(site: &Site) {
    let visitor = site.visitor();
    let answer = visitor.run(&[insert("a", 1), Step::Commit, insert("b", 2), Step::Status(500)]).await;
    assert_eq!(answer.status, 500);
    assert!(answer.new_cookie().is_some());
    assert_eq!(visitor.run(&[get("a"), get("b")]).await.results(), [json!(1), Value::Null]);

    let steps = [insert("c", 3), Step::Commit, insert("d", 4), Step::Panic];
    let _: Option<crate::Answer> = visitor.request("POST", "/script").script(&steps).try_send().await;
    assert_eq!(visitor.run(&[get("c"), get("d")]).await.results(), [json!(3), Value::Null]);

    let gate = site.world().gate("gate");
    let steps = [insert("e", 5), Step::Commit, insert("f", 6), wait("gate")];
    let client = tokio::spawn(visitor.request("POST", "/script").script(&steps).try_send());
    gate.wait_for_arrivals(1).await;
    client.abort();
    gate.wait_for_departures(1).await;
    assert_eq!(visitor.run(&[get("e"), get("f")]).await.results(), [json!(5), Value::Null]);
}

pub async fn head_and_options_commit_nothing(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let key = visitor.key();
    for method in ["HEAD", "OPTIONS"] {
        for edits in [vec![insert("a", 2)], vec![Step::CycleId], vec![Step::Logout], vec![Step::Commit]] {
            let answer = visitor.send(method, "/script", &edits).await;
            answer.assert_ok();
            answer.assert_no_cookie();
            assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
            assert_eq!(site.world().calls(), ["load"], "{method} {edits:?}");
        }
        let answer = site.request(method, "/script").script(&[insert("a", 2)]).send().await;
        answer.assert_ok();
        answer.assert_no_cookie();
        // A failed write is not acknowledged, and a value that cannot be removed is not returned.
        for steps in [vec![insert("a", 2), Step::Commit], vec![Step::Take("a".to_owned())]] {
            let answer = visitor.send(method, "/script", &steps).await;
            assert_eq!((answer.status, answer.header("allow").as_deref()), (405, Some("GET")));
            answer.assert_no_cookie();
            assert_eq!(site.world().calls(), ["load"], "{method} {steps:?}");
        }
    }
    assert_eq!((visitor.get("a").await, visitor.key()), (json!(1), key));
    assert_eq!(site.world().memory().len(), 1);
}
