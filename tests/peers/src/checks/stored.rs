//! Checks of the identifier and of the stored data.

use std::collections::BTreeSet;

use super::{Check, Seen, changed, seen};
use crate::{
    http::{Answer, line, send},
    stage::{Stage, entry_at, is_signed_in_at},
};

/// Replaces a stored session.
const GARBAGE: &str = "not a session";

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("entropy", "I1", "The identifier has 128 random bits or more", entropy),
        Check::new("at-rest", "I2", "The content of the store opens no session", at_rest),
        Check::new("adopted", "I4", "An identifier of the client's choice is never adopted", adopted),
        Check::new("rotation", "I5", "The cookie from before a sign-in is dead in the same process", rotation),
        Check::new(
            "rotation-elsewhere",
            "I5",
            "The cookie from before a sign-in is dead in another process, too",
            rotation_elsewhere,
        ),
        Check::new("rotation-again", "I5", "A sign-in on top of a sign-in replaces the cookie, too", rotation_again),
        Check::new("no-key", "I7", "A request that stores nothing makes no key", no_key),
        Check::new("size", "I7", "A session has a greatest size", size),
        Check::new("one-prefix", "I8", "All keys are under one prefix", one_prefix),
        Check::new("unreadable", "I9", "A record that cannot be read is an error, and stays", unreadable),
        Check::new("broken", "I9", "An error of the store is a failure, and no empty session", broken),
        Check::new("logs", "I11", "The cookie is in no log, even at the finest level", logs),
        Check::new("opaque", "I12", "An error response reveals nothing internal", opaque),
        Check::new("failure", "K4", "A failure is `no-store`", no_store_of_failures),
    ]
}

fn entropy(stage: &Stage) -> Seen {
    const SAMPLES: usize = 1_500;
    for _ in 0..SAMPLES {
        stage.visitor();
    }
    // Cookies may be encrypted or signed. The keys show the identifiers of all libraries.
    let tokens = stage.keys();
    let distinct: BTreeSet<_> = tokens.iter().collect();
    let length = tokens.iter().map(String::len).min().unwrap_or_default();
    // An upper bound of the bits, from the letters seen at each position.
    let bits: f64 = (0..length)
        .map(|place| tokens.iter().map(|token| token.as_bytes()[place]).collect::<BTreeSet<_>>().len() as f64)
        .map(f64::log2)
        .sum();
    seen(
        distinct.len() == SAMPLES && bits > 127.9,
        format!("{} of {SAMPLES} differ, {bits:.0} bits at most", distinct.len()),
    )
}

fn at_rest(stage: &Stage) -> Seen {
    let browser = stage.signed_in("ann");
    let (name, value) = browser.session().expect("a cookie");
    let mut dump = stage.keys();
    dump.extend(stage.session_keys().iter().map(|key| stage.redis.cli(&["GET", key])));
    let parts: BTreeSet<String> = dump.iter().flat_map(|text| text.split([':', '"'])).map(str::to_owned).collect();
    let others = browser.header().replace(&format!("{name}={value}"), "");
    let opens = |part: &&String| {
        part.bytes().all(|byte| byte.is_ascii_graphic())
            && !part.is_empty()
            && stage.knows("ann", &[format!("{name}={part}{others}").into_bytes()])
    };
    let opening = parts.iter().chain(&dump).filter(opens).count();
    let holds = dump.iter().any(|text| text.contains(&value));
    seen(
        opening == 0 && !holds,
        format!("{opening} of {} texts open it; the cookie is in the store: {holds}", parts.len()),
    )
}

fn adopted(stage: &Stage) -> Seen {
    let (name, value) = stage.visitor().session().expect("a cookie");
    let issued = stage.session_keys();
    let adopts = |which: &usize| {
        let chosen = changed(&value, *which);
        let cookie = line("Cookie", format!("{name}={chosen}"));
        let answer = send(stage.a.port, "POST", "/write?name=a&value=2", &[cookie], "");
        assert!(answer.is_success(), "{answer:?}");
        let echoed = answer.cookie(&name).is_some_and(|cookie| cookie.value == chosen);
        echoed || stage.session_keys().iter().any(|key| !issued.contains(key) && key.contains(&chosen))
    };
    let adopted = (2..8).filter(adopts).count();
    seen(adopted == 0, format!("{adopted} of 6 are adopted"))
}

/// Signs in with an old cookie, and tests the access that this cookie has at a process afterwards.
fn planted(stage: &Stage, port: u16) -> Seen {
    let mut browser = stage.visitor();
    let planted = browser.clone();
    let before = entry_at(port, &planted, "a").body;
    browser.post(stage.a.port, "/login?user=ann");
    let after = entry_at(port, &planted, "a").body;
    let signed_in = is_signed_in_at(port, &planted);
    let kept = is_signed_in_at(stage.a.port, &browser);
    seen(
        before == "1" && after != "1" && !signed_in && kept,
        format!("the old cookie reads {before:?}, then {after:?}, is signed in: {signed_in}; the new one: {kept}"),
    )
}

fn rotation(stage: &Stage) -> Seen {
    planted(stage, stage.a.port)
}

fn rotation_elsewhere(stage: &Stage) -> Seen {
    planted(stage, stage.b.port)
}

fn rotation_again(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let old = browser.clone();
    browser.post(stage.a.port, "/login?user=ann");
    let alive = is_signed_in_at(stage.a.port, &old);
    seen(!alive && is_signed_in_at(stage.a.port, &browser), format!("the old cookie is signed in: {alive}"))
}

fn no_key(stage: &Stage) -> Seen {
    let (name, value) = stage.visitor().session().expect("a cookie");
    let unknown = format!("{name}={}", value.chars().rev().collect::<String>());
    stage.redis.cli(&["FLUSHALL"]);
    for _ in 0..10 {
        send(stage.a.port, "GET", "/read?name=a", &[], "");
        send(stage.a.port, "GET", "/read?name=a", &[line("Cookie", &unknown)], "");
        send(stage.a.port, "POST", "/logout", &[], "");
    }
    let keys = stage.keys().len();
    seen(keys == 0, format!("{keys} keys after 30 requests"))
}

fn size(stage: &Stage) -> Seen {
    let mut browser = stage.signed_in("ann");
    let status = browser.post(stage.a.port, "/big?size=2000000").status;
    let of = |key: &String| stage.redis.cli(&["STRLEN", key]).parse::<usize>().unwrap_or_default();
    let largest = stage.session_keys().iter().map(of).max().unwrap_or_default();
    seen(
        status >= 400 && largest < 1_000_000,
        format!("2 MB are answered with {status}; the largest value has {largest} bytes"),
    )
}

fn one_prefix(stage: &Stage) -> Seen {
    for number in 0..6 {
        stage.signed_in(&format!("user{number}"));
    }
    let keys = stage.keys();
    let first = keys.first().cloned().unwrap_or_default();
    let common = |end: &usize| first.get(..*end).is_some_and(|start| keys.iter().all(|key| key.starts_with(start)));
    let length = (0..=first.len()).take_while(common).last().unwrap_or_default();
    seen(length > 0, format!("{} keys, common start {:?}", keys.len(), &first[..length]))
}

fn unreadable(stage: &Stage) -> Seen {
    let mut browser = stage.visitor();
    let key = stage.session_keys().remove(0);
    stage.redis.cli(&["SET", &key, GARBAGE, "KEEPTTL"]);
    let read = entry_at(stage.b.port, &browser, "a");
    let write = browser.post(stage.b.port, "/write?name=b&value=2").status;
    let stays = stage.redis.cli(&["GET", &key]) == GARBAGE;
    seen(
        read.status >= 500 && write >= 500 && stays,
        format!("read {} {:?}, write {write}; it stays: {stays}", read.status, read.body),
    )
}

fn logs(stage: &Stage) -> Seen {
    let mut browser = stage.visitor();
    let mut values: Vec<_> = browser.session().into_iter().collect();
    for path in ["/login?user=ann", "/write?name=b&value=2", "/logout"] {
        browser.post(stage.a.port, path);
        values.extend(browser.session());
    }
    let log = stage.a.logged();
    assert!(!log.is_empty(), "{} logs nothing", stage.layer.name());
    let shown = |line: &&str| values.iter().any(|(_, value)| line.contains(value.as_str()));
    let lines: Vec<_> = log.lines().filter(shown).collect();
    let from: BTreeSet<_> = lines.iter().filter_map(|line| line.split_whitespace().nth(2)).collect();
    seen(lines.is_empty(), format!("in {} lines, from {from:?}", lines.len()))
}

/// Reads from a store that answers with an error, at a process that has not loaded the session yet.
fn failing(stage: &Stage) -> (Answer, String) {
    let browser = stage.visitor();
    let key = stage.session_keys().remove(0);
    stage.redis.cli(&["DEL", &key]);
    stage.redis.cli(&["RPUSH", &key, "x"]);
    (entry_at(stage.b.port, &browser, "a"), key)
}

fn broken(stage: &Stage) -> Seen {
    let (answer, _) = failing(stage);
    seen(answer.status >= 500, format!("{} {:?}", answer.status, answer.body))
}

fn no_store_of_failures(stage: &Stage) -> Seen {
    let (answer, _) = failing(stage);
    let control = answer.header("cache-control");
    seen(answer.status >= 500 && control.contains("no-store"), format!("{}, Cache-Control: {control:?}", answer.status))
}

fn opaque(stage: &Stage) -> Seen {
    let (answer, key) = failing(stage);
    let body = answer.body.to_lowercase();
    let inner = ["redis", "127.0.0.1", "wrongtype", &key];
    let told: Vec<_> = inner.into_iter().filter(|inner| body.contains(&inner.to_lowercase())).collect();
    seen(told.is_empty(), format!("{} {:?}", answer.status, answer.body))
}
