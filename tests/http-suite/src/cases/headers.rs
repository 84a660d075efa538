use super::{get, header, insert};
use crate::Site;

pub async fn headers_of_the_handler_are_kept(site: &Site) {
    let visitor = site.visitor_with_session().await;
    for (own, expected) in [
        (vec![], "Cookie"),
        (vec!["Accept"], "Accept, Cookie"),
        (vec!["Accept, Origin", "Accept-Language"], "Accept, Origin, Accept-Language, Cookie"),
        (vec!["accept ,  COOKIE"], "accept ,  COOKIE"),
        (vec!["Accept", "cookie"], "Accept, cookie"),
        (vec!["*"], "*"),
        (vec!["X-Cookie"], "X-Cookie, Cookie"),
    ] {
        let steps: Vec<_> = own.iter().map(|value| header("vary", value)).chain([get("a")]).collect();
        let answer = visitor.run(&steps).await;
        answer.assert_ok();
        assert_eq!(answer.header("vary").as_deref(), Some(expected));
    }
    let answer = visitor.run(&[insert("a", 2), header("cache-control", "public, max-age=60")]).await;
    assert_eq!(answer.header("cache-control").as_deref(), Some("public, max-age=60"));
}

pub async fn a_new_cookie_is_never_cached(site: &Site) {
    for own in [vec![], vec!["public, max-age=60"], vec!["public", "max-age=60"]] {
        let visitor = site.visitor();
        let steps: Vec<_> = own.iter().map(|value| header("cache-control", value)).chain([insert("a", 1)]).collect();
        let answer = visitor.run(&steps).await;
        assert!(answer.new_cookie().is_some());
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    }
}

pub async fn cookies_of_the_handler_are_kept(site: &Site) {
    let own = ["theme=dark; Path=/", "language=de"];
    let visitor = site.visitor();
    let steps = [header("set-cookie", own[0]), insert("a", 1), header("set-cookie", own[1])];
    let answer = visitor.run(&steps).await;
    assert!(answer.new_cookie().is_some());
    assert_eq!(answer.set_cookies().len(), 3);
    assert!(own.iter().all(|cookie| answer.set_cookies().contains(cookie)), "{answer:?}");
    assert_eq!(visitor.run(&steps).await.set_cookies(), own, "no session cookie when it has not changed");
}

pub async fn answers_to_signed_in_users_are_private(site: &Site) {
    let visitor = site.signed_in("ann").await;
    assert_eq!(visitor.run(&[get("a")]).await.header("cache-control").as_deref(), Some("private"));
    assert_eq!(visitor.run(&[insert("a", 1)]).await.header("cache-control").as_deref(), Some("private"));
    assert_eq!(visitor.send("GET", "/me", &[]).await.header("cache-control").as_deref(), Some("private"));
    let answer = visitor.run(&[get("a"), header("cache-control", "public, max-age=1")]).await;
    assert_eq!(answer.header("cache-control").as_deref(), Some("public, max-age=1"), "the handler's header wins");
    assert_eq!(visitor.send("GET", "/untouched", &[]).await.header("cache-control"), None);
}
