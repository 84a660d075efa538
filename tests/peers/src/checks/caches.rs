//! Caches, and cross-site requests.

use super::{Check, Seen, seen};
use crate::{
    http::{Answer, Browser, line},
    stage::{Stage, entry_at},
};

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("no-store", "K1", "An answer that sets the cookie is `no-store`", no_store),
        Check::new("vary", "K2", "A response that depends on the session has `Vary: Cookie`", vary),
        Check::new("private", "K3", "Answers to signed-in visitors are private", private),
        Check::new("cross-site", "X1", "A write that a page of another site makes is refused", cross_site),
    ]
}

fn cached(answer: &Answer) -> String {
    format!("Cache-Control: {:?}, Vary: {:?}", answer.header("cache-control"), answer.header("vary"))
}

fn no_store(stage: &Stage) -> Seen {
    let answer = Browser::default().post(stage.a.port, "/login?user=ann");
    seen(answer.header("cache-control").contains("no-store"), cached(&answer))
}

fn vary(stage: &Stage) -> Seen {
    let with = entry_at(stage.a.port, &stage.visitor(), "a");
    let without = entry_at(stage.a.port, &Browser::default(), "a");
    let varies = |answer: &Answer| answer.header("vary").contains("cookie");
    seen(varies(&with) && varies(&without), format!("with a session {}; without {}", cached(&with), cached(&without)))
}

fn private(stage: &Stage) -> Seen {
    let answer = stage.signed_in("ann").get(stage.a.port, "/whoami");
    let control = answer.header("cache-control");
    seen(control.contains("private") || control.contains("no-store"), cached(&answer))
}

fn cross_site(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let headers = [line("Origin", "https://evil.example"), line("Sec-Fetch-Site", "cross-site")];
    let status = browser.ask(stage.a.port, "POST", "/write?name=x&value=1", &headers).status;
    let written = entry_at(stage.a.port, &browser, "x").body == "1";
    let own =
        browser.ask(stage.a.port, "POST", "/write?name=y&value=1", &[line("Sec-Fetch-Site", "same-origin")]).status;
    seen(status == 403 && !written && own == 200, format!("{status}, written: {written}; of the own site {own}"))
}
