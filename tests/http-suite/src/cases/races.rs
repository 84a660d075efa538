use futures_util::future::join_all;
use serde_json::{Value, json};
use shared_session::ErrorKind;

use super::{add, get, insert, login, wait};
use crate::{Answer, Browser, Site, Step};

/// Starts a request of `visitor` that waits at `gate` after its last edit.
async fn start(site: &Site, visitor: &Browser<'_>, gate: &str, steps: &[Step]) -> tokio::task::JoinHandle<Answer> {
    let steps: Vec<_> = steps.iter().cloned().chain([wait(gate)]).collect();
    let request = tokio::spawn(visitor.request("POST", "/script").script(&steps).send());
    site.world().gate(gate).wait_for_arrivals(1).await;
    request
}

async fn finish(site: &Site, gate: &str, request: tokio::task::JoinHandle<Answer>) -> Answer {
    site.world().gate(gate).open();
    request.await.unwrap()
}

pub async fn writers_of_different_entries_both_survive(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let one = start(site, &visitor, "one", &[insert("b", 2)]).await;
    let other = start(site, &visitor, "other", &[insert("c", 3), Step::Remove("a".into())]).await;
    finish(site, "one", one).await.assert_ok();
    finish(site, "other", other).await.assert_ok();
    let answer = visitor.run(&[get("b"), get("c"), Step::Names]).await;
    assert_eq!(answer.results(), [json!(2), json!(3), json!(["b", "c"])]);
}

pub async fn fifty_updates_make_fifty(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let gate = site.world().gate("all");
    let steps = [add("n", 1), wait("all")];
    let requests = join_all((0..50).map(|_| visitor.run(&steps)));
    let open = async {
        gate.wait_for_arrivals(50).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(requests, open);
    answers.iter().for_each(Answer::assert_ok);
    assert_eq!(visitor.get("n").await, 50);
}

pub async fn only_one_request_takes_an_entry(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let take = [Step::Take("a".into()), wait("both"), Step::Commit];
    let requests = join_all((0..2).map(|_| visitor.run(&take)));
    let open = async {
        site.world().gate("both").wait_for_arrivals(2).await;
        site.world().gate("both").open();
    };
    let (answers, ()) = tokio::join!(requests, open);
    let (taken, missed): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].results()[0], 1);
    missed[0].assert_problem(ErrorKind::AlreadyTaken);
    assert_eq!(visitor.get("a").await, Value::Null);
}

pub async fn a_sign_out_with_the_cookie_before_a_rotation_ends_the_session_of_the_same_user(site: &Site) {
    let signs_out =
        async |cookie: &str| site.request("POST", "/script").cookie(cookie).script(&[Step::Logout]).send().await;
    let visitor = site.signed_in("ann").await;
    let late = visitor.cookie().unwrap();
    visitor.run(&[Step::CycleId]).await.assert_ok();
    let answer = signs_out(&late).await;
    answer.assert_ok();
    assert!(answer.deletes_cookie());
    assert_eq!(visitor.send("GET", "/maybe", &[]).await.body, "nobody");
    assert!(site.world().memory().is_empty());

    // An attacker who planted the cookie before a sign-in also knows its secret.
    let victim = site.visitor_with_session().await;
    let planted = victim.cookie().unwrap();
    victim.run(&[login("ann")]).await.assert_ok();
    signs_out(&planted).await.assert_problem(ErrorKind::Stale);
    assert_eq!(victim.send("GET", "/maybe", &[]).await.body, "ann");
}

pub async fn a_slow_write_does_not_revive_a_session_that_ended(site: &Site) {
    for visitor in [site.visitor_with_session().await, site.signed_in("ann").await] {
        let gate = visitor.key();
        let slow = start(site, &visitor, &gate, &[insert("a", "late"), Step::CycleId]).await;
        visitor.run(&[Step::Logout]).await.assert_ok();
        let answer = finish(site, &gate, slow).await;
        answer.assert_problem(ErrorKind::Gone);
    }
    assert!(site.world().memory().is_empty());
}

pub async fn a_slow_write_does_not_reach_the_session_of_a_login(site: &Site) {
    for edits in [vec![insert("a", "late")], vec![Step::CycleId], vec![insert("a", "late"), Step::Commit]] {
        for (rival, name) in [(login("ann"), "ann"), (Step::CycleId, "nobody")] {
            let visitor = site.visitor_with_session().await;
            let gate = visitor.key();
            let steps: Vec<_> = [get("a"), wait(&gate)].into_iter().chain(edits.clone()).collect();
            let slow = tokio::spawn(visitor.request("POST", "/script").script(&steps).send());
            site.world().gate(&gate).wait_for_arrivals(1).await;
            visitor.run(&[rival]).await.assert_ok();
            finish(site, &gate, slow).await.assert_problem(ErrorKind::Stale);
            assert_eq!(visitor.get("a").await, 1);
            assert_eq!(visitor.send("GET", "/maybe", &[]).await.body, name);
        }
    }
}
