use serde_json::json;
use shared_session::{ErrorKind, users::User};

use super::{get, insert};
use crate::Site;

const PATHS: [&str; 4] = ["/me", "/maybe", "/staff", "/permission"];

pub async fn extractors_accept_only_allowed_users(site: &Site) {
    use ErrorKind::{Forbidden, Unauthenticated};
    for (name, denied) in [
        (None, [Some(Unauthenticated), None, Some(Unauthenticated), Some(Unauthenticated)]),
        (Some("ann"), [None, None, Some(Forbidden), None]),
        (Some("bob"), [None, None, Some(Forbidden), Some(Forbidden)]),
        (Some("sue"), [None, None, None, Some(Forbidden)]),
        (Some("root"), [None, None, Some(Forbidden), None]),
    ] {
        let visitor = match name {
            Some(name) => site.signed_in(name).await,
            None => site.visitor(),
        };
        for (path, denied) in PATHS.into_iter().zip(denied) {
            let answer = visitor.send("GET", path, &[]).await;
            match denied {
                Some(kind) => answer.assert_problem(kind),
                None => {
                    answer.assert_ok();
                    assert_eq!(answer.body, name.unwrap_or("nobody"), "{path}");
                }
            }
        }
    }
}

pub async fn a_change_of_the_users_row_counts_at_once(site: &Site) {
    type Change = fn(User) -> User;
    let changes: [(&str, Change); 3] = [
        ("ann", |user| user.with_encoded_password("another password")),
        ("bob", |mut user| {
            user.is_active = false;
            user
        }),
        ("sue", |mut user| {
            user.epoch += 1;
            user
        }),
    ];
    for (name, change) in changes {
        let visitor = site.signed_in(name).await;
        assert_eq!(visitor.send("GET", "/me", &[]).await.body, name);
        site.world().users().change(name, change);
        visitor.send("GET", "/me", &[]).await.assert_problem(ErrorKind::Unauthenticated);
        let answer = visitor.send("GET", "/maybe", &[]).await;
        assert_eq!(answer.body, "nobody");
        answer.assert_no_cookie();
    }
}

pub async fn a_failing_user_database_is_no_sign_out(site: &Site) {
    let visitor = site.signed_in("ann").await;
    visitor.run(&[insert("a", 1)]).await.assert_ok();
    site.world().users().set_down(true);
    for path in PATHS {
        visitor.send("GET", path, &[]).await.assert_problem(ErrorKind::Unavailable);
    }
    assert_eq!(visitor.run(&[get("a")]).await.results(), [json!(1)], "this handler needs no user");
    site.world().users().set_down(false);
    assert_eq!(visitor.send("GET", "/me", &[]).await.body, "ann");
}

pub async fn cached_rows_answer_pages_but_neither_changes_nor_checks_of_rights(site: &Site) {
    site.world().users().keep();
    let (ann, sue, root) = (site.signed_in("ann").await, site.signed_in("sue").await, site.signed_in("root").await);
    let visitors = [("ann", &ann), ("sue", &sue), ("root", &root)];
    for (name, visitor) in visitors {
        assert_eq!(visitor.send("GET", "/me", &[]).await.body, name);
        site.world().users().change(name, |mut user| {
            user.is_active = false;
            user
        });
    }
    site.world().users().set_down(true);
    for (_, visitor) in visitors {
        for path in ["/me", "/maybe", "/guards/page"] {
            visitor.send("GET", path, &[]).await.assert_ok();
        }
    }
    sue.send("GET", "/staff", &[]).await.assert_problem(ErrorKind::Unavailable);
    root.send("GET", "/permission", &[]).await.assert_problem(ErrorKind::Unavailable);
    ann.send("POST", "/guards/signed-in", &[]).await.assert_problem(ErrorKind::Unavailable);

    site.world().users().set_down(false);
    sue.send("GET", "/staff", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    root.send("GET", "/permission", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    ann.send("POST", "/guards/signed-in", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    for (_, visitor) in visitors {
        visitor.send("GET", "/me", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    }
}

pub async fn a_record_that_cannot_be_read_is_no_sign_out(site: &Site) {
    let visitor = site.signed_in("ann").await;
    super::failures::spoil(site, &visitor.key()).await;
    for path in PATHS {
        visitor.send("GET", path, &[]).await.assert_problem(ErrorKind::Unreadable);
    }
}

pub async fn extractors_carry_the_applications_own_type_of_users(site: &Site) {
    for name in ["ann", "sue"] {
        let visitor = site.visitor();
        visitor.send("GET", &format!("/own/login/{name}"), &[]).await.assert_ok();
        let staff = if name == "sue" { 200 } else { 403 };
        for (path, status) in [
            ("/own/me", 200),
            ("/own/maybe", 200),
            ("/own/staff", staff),
            ("/own/permission", 403),
            ("/own/groups", 200),
            ("/own/row", 500),
            ("/own/again", 200),
        ] {
            let answer = visitor.send("GET", path, &[]).await;
            assert_eq!(answer.status, status, "{name} {path}");
            let expected = if path == "/own/groups" { "" } else { name };
            assert!(status != 200 || answer.body == expected, "{path}: {}", answer.body);
        }
    }
    let nobody = site.visitor();
    nobody.send("GET", "/own/me", &[]).await.assert_problem(ErrorKind::Unauthenticated);
    // A user of another type is never treated as anonymous.
    nobody.send("GET", "/own/row", &[]).await.assert_problem(ErrorKind::Config);
}
