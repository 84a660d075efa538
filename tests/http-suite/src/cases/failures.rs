use std::time::Duration;

use serde_json::json;
use shared_session::{
    ErrorKind,
    store::{Deleted, SessionStore},
    testing::Fault,
};

use super::{add, get, insert, login};
use crate::{Site, Step};

/// Makes the record under `key` unreadable.
pub(super) async fn spoil(site: &Site, key: &str) {
    let memory = site.world().memory();
    assert_eq!(memory.delete(key, None).await.unwrap(), Deleted::Done);
    assert!(memory.create(key, "no record".into(), Duration::from_secs(600)).await.unwrap());
}

pub async fn a_failing_load_is_a_503_whatever_the_handler_answers(site: &Site) {
    let visitor = site.signed_in("ann").await;
    site.world().faults().set_down(true);
    for (method, path) in [
        ("GET", "/script"),
        ("POST", "/script"),
        ("GET", "/swallow"),
        ("POST", "/swallow"),
        ("GET", "/me"),
        ("GET", "/maybe"),
        ("GET", "/staff"),
    ] {
        visitor.send(method, path, &[]).await.assert_problem(ErrorKind::Unavailable);
    }
    let answer = visitor.send("HEAD", "/swallow", &[]).await;
    assert_eq!((answer.status, answer.header("retry-after").as_deref()), (503, Some("7")));
    visitor.send("GET", "/untouched", &[]).await.assert_ok();
    site.request("GET", "/script").script(&[get("a")]).send().await.assert_ok();

    site.world().faults().set_down(false);
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "ann");
    assert_eq!(visitor.send("GET", "/swallow", &[]).await.body, "swallowed");
}

pub async fn a_commit_that_fails_is_never_a_success(site: &Site) {
    let visitor = site.visitor_with_session().await;
    for (operation, edit) in [("replace", insert("a", 2)), ("replace", Step::CycleId), ("replace", login("ann"))] {
        for steps in [vec![edit.clone()], vec![edit.clone(), Step::Commit], vec![edit, Step::Status(404)]] {
            site.world().faults().fail_next(operation, Fault::Refused);
            visitor.run(&steps).await.assert_problem(ErrorKind::Unavailable);
        }
    }
    for steps in [[insert("a", 1), Step::Status(200)], [login("ann"), Step::Status(201)]] {
        site.world().faults().fail_next("create", Fault::Refused);
        site.request("POST", "/script").script(&steps).send().await.assert_problem(ErrorKind::Unavailable);
    }
    assert_eq!(visitor.get("a").await, 1);
    assert_eq!(visitor.send("GET", "/maybe", &[]).await.body, "nobody");
}

pub async fn a_lost_reply_is_resolved(site: &Site) {
    let visitor = site.visitor_with_session().await;
    for (n, fault) in [(1, Fault::LostReply), (2, Fault::LostRequest)] {
        site.world().faults().fail_next("replace", fault);
        assert_eq!(visitor.run(&[add("n", 1)]).await.results(), [json!(n)]);
        assert_eq!(visitor.get("n").await, n);

        let newcomer = site.visitor();
        site.world().faults().fail_next("create", fault);
        newcomer.run(&[insert("a", n)]).await.assert_ok();
        assert_eq!(newcomer.get("a").await, n);
    }
}

pub async fn a_failed_logout_is_reported(site: &Site) {
    let visitor = site.signed_in("ann").await;
    site.world().faults().fail_next("delete", Fault::Refused);
    visitor.run(&[Step::Logout]).await.assert_problem(ErrorKind::Unavailable);
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "ann");
    visitor.run(&[Step::Logout]).await.assert_ok();
    assert_eq!(visitor.cookie(), None);
}

pub async fn a_record_that_cannot_be_read_is_a_500_and_stays(site: &Site) {
    let visitor = site.visitor_with_session().await;
    spoil(site, &visitor.key()).await;
    for step in [get("a"), Step::Names, insert("a", 1), add("a", 1), Step::Remove("a".into())] {
        visitor.run(&[step]).await.assert_problem(ErrorKind::Unreadable);
    }
    assert_eq!(site.world().memory().load(&visitor.key()).await.unwrap().as_deref(), Some(&b"no record"[..]));
}

pub async fn login_and_logout_work_over_a_record_that_cannot_be_read(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let key = visitor.key();
    spoil(site, &key).await;
    visitor.run(&[login("ann")]).await.assert_ok();
    assert_ne!(visitor.key(), key);
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "ann");

    spoil(site, &visitor.key()).await;
    let answer = visitor.run(&[Step::Logout]).await;
    answer.assert_ok();
    assert!(answer.deletes_cookie());
}

pub async fn a_session_that_grows_too_large_is_a_413(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let fill = || Step::Fill("b".into(), 600_000);
    visitor.run(&[insert("a", 2), fill()]).await.assert_problem(ErrorKind::TooLarge);
    site.request("POST", "/script").script(&[fill()]).send().await.assert_problem(ErrorKind::TooLarge);
    assert_eq!(visitor.run(&[get("a"), Step::Names]).await.results(), [json!(1), json!(["a"])]);
    assert_eq!(site.world().memory().len(), 1);
}

pub async fn a_value_of_another_type_is_a_500(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let answer = visitor.run(&[insert("a", "text"), insert("b", 1), add("a", 1)]).await;
    answer.assert_problem(ErrorKind::Value);
    assert_eq!(visitor.run(&[get("a"), Step::Names]).await.results(), [json!(1), json!(["a"])]);
}

pub async fn without_the_layer_the_answer_is_a_500(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let answer = visitor.send("GET", "/bare", &[]).await;
    answer.assert_problem_without_layer(ErrorKind::Config);
    assert!(site.world().calls().is_empty());
}

pub async fn the_hook_can_redirect(site: &Site) {
    for visitor in [site.visitor(), site.visitor_with_session().await] {
        let answer = visitor.send("GET", "/me?page", &[]).await;
        assert_eq!((answer.status, &*answer.body), (303, ""));
        assert_eq!(answer.header("location").as_deref(), Some("/login?to=GET:/me?page"));
        assert_eq!(answer.header("vary").as_deref(), Some("Cookie"));
        answer.assert_no_cookie();
    }
}
