use shared_session::{ErrorKind, testing::Fault};
use tokio::time::sleep;

use super::add;
use crate::{MILLISECOND, Site};

pub async fn guards_accept_only_allowed_users(site: &Site) {
    use ErrorKind::{Forbidden, Unauthenticated};
    let paths = ["/guards/signed-in", "/guards/permission"];
    for (name, denied) in [
        (None, [Some(Unauthenticated), Some(Unauthenticated)]),
        (Some("ann"), [None, None]),
        (Some("bob"), [None, Some(Forbidden)]),
        (Some("root"), [None, None]),
    ] {
        let visitor = match name {
            Some(name) => site.signed_in(name).await,
            None => site.visitor(),
        };
        for (path, denied) in paths.into_iter().zip(denied) {
            let answer = visitor.send("POST", path, &[add("n", 1)]).await;
            match denied {
                Some(kind) => answer.assert_problem(kind),
                None => answer.assert_ok(),
            }
        }
    }
}

pub async fn a_guard_redirects_only_pages_to_the_login(site: &Site) {
    let visitor = site.visitor();
    let page = visitor.send("GET", "/guards/page?tab=2&next=//evil.example", &[]).await;
    assert_eq!(page.status, 303);
    let location = page.header("location");
    assert_eq!(location.as_deref(), Some("/login?next=/guards/page%3Ftab%3D2%26next%3D//evil.example"));
    assert_eq!(page.header("vary").as_deref(), Some("Cookie"));
    assert_eq!(page.header("cache-control").as_deref(), Some("no-store"));
    visitor.send("POST", "/guards/page", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    site.signed_in("bob").await.send("GET", "/guards/page", &[]).await.assert_ok();
}

pub async fn a_guard_asks_nothing_twice_and_an_outage_is_no_sign_out(site: &Site) {
    let ann = site.signed_in("ann").await;
    ann.send("GET", "/guards/page", &[]).await.assert_ok();
    assert_eq!(site.world().calls(), ["load"], "the handler has the session that the guard loaded");
    site.world().faults().fail_next("load", Fault::Refused);
    ann.send("GET", "/guards/page", &[]).await.assert_problem(ErrorKind::Unavailable);
    site.world().users().set_down(true);
    for path in ["/guards/page", "/guards/permission"] {
        ann.send("GET", path, &[]).await.assert_problem(ErrorKind::Unavailable);
    }
}

pub async fn a_guard_asks_for_a_new_sign_in_if_the_last_was_too_long_ago(site: &Site) {
    site.visitor().send("POST", "/guards/fresh", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    let ann = site.signed_in("ann").await;
    sleep(2 * MILLISECOND).await;
    ann.send("POST", "/guards/fresh", &[]).await.assert_ok();
    let refused = ann.send("POST", "/guards/just-now", &[add("n", 1)]).await;
    refused.assert_problem(ErrorKind::Unauthenticated);
    assert!(refused.body.contains("needs a recent sign-in"), "{}", refused.body);
    let page = ann.send("GET", "/guards/just-now?tab=2", &[]).await;
    assert_eq!(
        (page.status, page.header("location").as_deref()),
        (303, Some("/confirm?next=/guards/just-now%3Ftab%3D2"))
    );
    ann.send("GET", "/guards/page", &[]).await.assert_ok();
}
