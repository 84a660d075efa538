use serde_json::{Value, json};
use shared_session::{ErrorKind, audit::AuditKind};

use super::{get, insert, login};
use crate::{Site, Step};

/// The old cookie neither reads nor writes, and no other cookie replaces it.
async fn assert_refused(site: &Site, old: &str) {
    let answer = site.request("GET", "/script").cookie(old).script(&[get("a")]).send().await;
    assert_eq!(answer.results(), [Value::Null]);
    answer.assert_no_cookie();
    for edit in [insert("a", "late"), Step::Logout] {
        let answer = site.request("POST", "/script").cookie(old).script(&[edit]).send().await;
        answer.assert_problem(ErrorKind::Stale);
    }
}

pub async fn cycling_the_id_keeps_the_data_and_ends_the_old_cookie(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let old = visitor.cookie().unwrap();
    visitor.run(&[Step::CycleId, insert("b", 2)]).await.assert_ok();
    assert_ne!(visitor.cookie().unwrap(), old);
    assert_eq!(site.world().memory().len(), 1);
    assert_refused(site, &old).await;
    assert_eq!((visitor.get("a").await, visitor.get("b").await), (json!(1), json!(2)));
}

pub async fn a_login_keeps_the_data_and_ends_the_old_cookie(site: &Site) {
    let visitor = site.visitor_with_session().await;
    let old = visitor.cookie().unwrap();
    visitor.run(&[login("ann")]).await.assert_ok();
    assert_ne!(visitor.cookie().unwrap(), old);
    assert_refused(site, &old).await;
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "ann");
    assert_eq!(visitor.get("a").await, 1);

    let before = visitor.cookie().unwrap();
    visitor.run(&[login("ann")]).await.assert_ok();
    assert_ne!(visitor.cookie().unwrap(), before, "a second login of the same user replaces the cookie as well");
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn another_user_gets_a_new_session(site: &Site) {
    let visitor = site.signed_in("ann").await;
    visitor.run(&[insert("a", "private")]).await.assert_ok();
    let (old, old_key) = (visitor.cookie().unwrap(), visitor.key());
    visitor.run(&[login("bob")]).await.assert_ok();
    assert_ne!(visitor.key(), old_key);
    assert_eq!(visitor.get("a").await, Value::Null);
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "bob");
    let answer = site.request("GET", "/me").cookie(&old).send().await;
    answer.assert_problem(ErrorKind::Unauthenticated);
}

pub async fn a_remembered_user_has_a_cookie_that_outlives_the_browser(site: &Site) {
    const REMEMBERED: Option<u64> = Some(90 * 86_400);
    let visitor = site.visitor_with_session().await;
    let remember = |remember| Step::Remember("ann".into(), remember);
    assert_eq!(visitor.run(&[remember(true)]).await.max_age(), REMEMBERED);
    assert_eq!(visitor.run(&[Step::CycleId]).await.max_age(), REMEMBERED, "a rotation keeps it");
    visitor.run(&[insert("b", 2)]).await.assert_no_cookie();
    assert_eq!(visitor.run(&[remember(false)]).await.max_age(), None);
    assert_eq!(visitor.run(&[remember(true)]).await.max_age(), REMEMBERED);
    assert_eq!(visitor.run(&[login("ann")]).await.max_age(), None, "a sign-in replaces it");
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn an_anonymous_session_may_have_an_expiry(site: &Site) {
    let nothing = site.request("POST", "/script").script(&[Step::ExpireAfter(60)]).send().await;
    nothing.assert_ok();
    nothing.assert_no_cookie();
    let visitor = site.visitor_with_session().await;
    let cookie = visitor.cookie();
    assert_eq!(visitor.run(&[Step::ExpireAfter(100 * 86_400)]).await.max_age(), Some(100 * 86_400));
    assert_eq!(visitor.cookie(), cookie);
    assert_eq!(visitor.get("a").await, 1);
}

pub async fn a_logout_deletes_the_session_and_its_cookie(site: &Site) {
    for visitor in [site.visitor_with_session().await, site.signed_in("ann").await] {
        let old = visitor.cookie().unwrap();
        let answer = visitor.run(&[Step::Logout]).await;
        answer.assert_ok();
        assert!(answer.deletes_cookie(), "{answer:?}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(visitor.cookie(), None);
        let answer = site.request("GET", "/script").cookie(&old).script(&[get("a"), Step::Names]).send().await;
        assert_eq!(answer.results(), [Value::Null, json!([])]);
        let answer = site.request("GET", "/me").cookie(&old).send().await;
        answer.assert_problem(ErrorKind::Unauthenticated);
    }
    assert!(site.world().memory().is_empty());
}

pub async fn a_session_is_listed_with_its_address_and_browser(site: &Site) {
    for (headers, address, browser) in [
        (vec![("x-test-address", "192.0.2.7"), ("user-agent", "Lynx")], "192.0.2.7", Some("Lynx")),
        (vec![("x-test-address", "2001:db8::7")], "2001:db8::7", None),
        (vec![], "127.0.0.1", None),
    ] {
        let request = site.request("POST", "/script").script(&[login("ann")]);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await.assert_ok();
        let sessions = site.world().manager().sessions_of("1").await.unwrap();
        let found = sessions
            .iter()
            .any(|session| session.address == address.parse().ok() && session.user_agent.as_deref() == browser);
        assert!(found, "{sessions:?}");
    }
}

pub async fn a_sign_in_is_reported_before_its_answer_and_a_failed_one_is_not(site: &Site) {
    let sign_in = || site.request("POST", "/script").header("x-test-address", "192.0.2.7");
    assert_eq!(sign_in().script(&[login("ann"), Step::Status(500)]).send().await.status, 500);
    assert_eq!(site.world().told(), []);
    site.world().faults().set_down(true);
    sign_in().script(&[login("ann")]).send().await.assert_problem(ErrorKind::Unavailable);
    site.world().faults().set_down(false);
    assert_eq!(site.world().told(), []);

    sign_in().script(&[login("ann")]).send().await.assert_ok();
    let told = site.world().told();
    let [event] = &*told else { panic!("{told:?}") };
    assert_eq!((event.kind, event.user_id.as_deref()), (AuditKind::SignIn, Some("1")));
    assert_eq!(event.address, "192.0.2.7".parse().ok());
}
