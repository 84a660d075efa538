//! Checks of the cookie that the service sends.

use std::{thread, time::Duration};

use super::{Check, Seen, seen};
use crate::{
    http::{Browser, SetCookie, line, send},
    stage::{Stage, is_signed_in_at},
};

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("attributes", "C1", "The cookie is `Secure`, `HttpOnly` and `Path=/`, without `Domain`", attributes),
        Check::new("prefix", "C1", "The name of the cookie has the prefix `__Host-`", prefix),
        Check::new("same-site", "C2", "`SameSite` is explicit", same_site),
        Check::new("only-cookie", "C3", "The token is read from the cookie alone, and no body shows it", only_cookie),
        Check::new(
            "constant-size",
            "C4",
            "The size of the cookie does not depend on what the session holds",
            constant_size,
        ),
        Check::new("deletion", "C7", "The deletion has the attributes of the cookie", deletion),
        Check {
            with_prefix: true,
            ..Check::new("forgotten", "C7", "A browser forgets a cookie with `__Host-` at the sign-out", forgotten)
        },
        Check::new("no-cookie", "C8", "A request that only reads sets no cookie", no_cookie),
        Check::new("late-cookie", "C8", "A write that ends after a sign-in leaves the browser signed in", late_cookie),
    ]
}

fn started(stage: &Stage) -> SetCookie {
    let mut browser = Browser::default();
    let answer = browser.post(stage.a.port, "/write?name=a&value=1");
    let (name, _) = browser.session().expect("a cookie");
    answer.cookie(&name).expect("the cookie")
}

fn attributes(stage: &Stage) -> Seen {
    let cookie = started(stage);
    let at_root = cookie.attributes.get("path").is_some_and(|path| path == "/");
    seen(
        cookie.has("secure") && cookie.has("httponly") && at_root && !cookie.has("domain"),
        format!("{:?}", cookie.scope()),
    )
}

fn prefix(stage: &Stage) -> Seen {
    let name = started(stage).name;
    seen(name.starts_with("__Host-"), name)
}

fn same_site(stage: &Stage) -> Seen {
    let cookie = started(stage);
    seen(cookie.has("samesite"), format!("{:?}", cookie.attributes.get("samesite")))
}

fn only_cookie(stage: &Stage) -> Seen {
    let browser = stage.signed_in("ann");
    let (name, value) = browser.session().expect("a cookie");
    let pair = format!("{name}={value}");
    let bearer = format!("Bearer {value}");
    let port = stage.a.port;
    let asked = [
        ("the query", send(port, "GET", &format!("/whoami?{pair}"), &[], "")),
        ("a header", send(port, "GET", "/whoami", &[line("X-Session", &value), line(&name, &value)], "")),
        ("a bearer token", send(port, "GET", "/whoami", &[line("Authorization", bearer)], "")),
        (
            "a form",
            send(
                port,
                "GET",
                "/whoami",
                &[
                    line("Content-Type", "application/x-www-form-urlencoded"),
                    line("Content-Length", pair.len().to_string()),
                ],
                &pair,
            ),
        ),
    ];
    let taken: Vec<_> = asked.iter().filter(|(_, answer)| answer.body == "ann").map(|(from, _)| *from).collect();
    let shown =
        ["/whoami", "/read?name=a"].into_iter().any(|path| browser.clone().get(port, path).body.contains(&value));
    seen(taken.is_empty() && !shown, format!("taken from {taken:?}; shown: {shown}"))
}

fn constant_size(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let length = |browser: &Browser| browser.session().map(|(_, value)| value.len());
    let before = length(&browser);
    let status = browser.post(stage.a.port, "/big?size=16000").status;
    let after = length(&browser);
    // The size of an encrypted cookie varies a little, because some letters are percent-encoded.
    let same = before.zip(after).is_some_and(|(before, after)| before.abs_diff(after) < 64 && after < 1024);
    seen(same, format!("{before:?}, then {after:?} bytes (status {status})"))
}

fn deletion(stage: &Stage) -> Seen {
    let mut browser = Browser::default();
    let set = browser.post(stage.a.port, "/login?user=ann");
    let (name, _) = browser.session().expect("a cookie");
    let removed = browser.post(stage.a.port, "/logout").cookie(&name);
    let (set, removed) = (set.cookie(&name).expect("the cookie"), removed.filter(SetCookie::is_deletion));
    let scope = removed.as_ref().map(SetCookie::scope);
    seen(scope.as_ref() == Some(&set.scope()), format!("{:?}, deleted with {scope:?}", set.scope()))
}

fn forgotten(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let (name, _) = browser.session().expect("a cookie");
    assert!(name.starts_with("__Host-"), "{name}");
    browser.post(stage.a.port, "/logout");
    let kept = browser.session().is_some_and(|(of, _)| of == name);
    seen(!kept, format!("kept: {kept}"))
}

fn no_cookie(stage: &Stage) -> Seen {
    let mut browser = stage.visitor();
    let cookies = browser.get(stage.a.port, "/read?name=a").cookies();
    seen(cookies.is_empty(), format!("{:?}", cookies.iter().map(|cookie| &cookie.name).collect::<Vec<_>>()))
}

fn late_cookie(stage: &Stage) -> Seen {
    let port = stage.a.port;
    let mut browser = stage.visitor();
    let mut slow = browser.clone();
    let late = thread::spawn(move || slow.post(port, "/write?name=late&value=1&ms=800"));
    thread::sleep(Duration::from_millis(300));
    browser.post(port, "/login?user=ann");
    let late = late.join().expect("an answer");
    browser.take(&late);
    let signed_in = is_signed_in_at(port, &browser);
    let names: Vec<_> = late.cookies().into_iter().map(|cookie| cookie.name).collect();
    seen(signed_in, format!("the write is {}, sets {names:?}; signed in afterwards: {signed_in}", late.status))
}
