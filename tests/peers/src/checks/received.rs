//! Checks of the received cookie.

use super::{Check, Seen, changed, seen};
use crate::{
    http::{line, send},
    stage::Stage,
};

pub fn checks() -> Vec<Check> {
    vec![
        Check::new("encoded-name", "P1", "A percent-encoded name is another name", encoded_name),
        Check::new("unicode-space", "P2", "Only spaces and tabs are trimmed", unicode_space),
        Check::new("nameless", "P3", "A nameless cookie is not the session's", nameless),
        Check::new("case", "P4", "Names are case-sensitive", case),
        Check::new("several-headers", "P5", "Several `Cookie` headers are one list", several_headers),
        Check::new("twins", "P6", "Two values under the name sign nobody in", twins),
        Check::new("sibling", "P7", "Malformed cookies beside the session's do not hide it", sibling),
        Check::new("malformed", "P8", "A malformed value never reaches the store", malformed),
        Check::new("made-up", "P8", "A made-up value of the right form never reaches the store", made_up),
        Check::new("one-spelling", "P8", "A value has one spelling", one_spelling),
        Check::new("quotes", "P9", "`\"value\"` is not `value`", quotes),
        Check::new("large", "P10", "Large headers are refused or read, without a failure", large),
    ]
}

/// The session cookie of a signed-in user, and the other cookies that the service needs with it.
struct Cookie {
    name: String,
    value: String,
    others: String,
}

impl Cookie {
    fn of(stage: &Stage, user: &str) -> Self {
        let browser = stage.signed_in(user);
        let (name, value) = browser.session().expect("a cookie");
        let pair = format!("{name}={value}");
        let header = browser.header();
        let others = header.split("; ").filter(|other| *other != pair).map(|other| format!("; {other}")).collect();
        Self { name, value, others }
    }

    /// A `Cookie` header with `pair` in place of the session's cookie.
    fn with(&self, pair: impl AsRef<[u8]>) -> Vec<u8> {
        [pair.as_ref(), self.others.as_bytes()].concat()
    }

    fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    fn valued(&self, value: &str) -> Vec<u8> {
        self.with(format!("{}={value}", self.name))
    }
}

/// Percent-encodes the first character, even if it needs no encoding.
fn encoded(text: &str) -> String {
    format!("%{:02X}{}", text.as_bytes()[0], &text[1..])
}

fn encoded_name(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let other = encoded(&cookie.name);
    let taken = stage.knows("ann", &[cookie.with(format!("{other}={}", cookie.value))]);
    let beside = stage.knows("ann", &[cookie.with(format!("{}; {other}=x", cookie.pair()))]);
    seen(!taken && beside, format!("taken alone: {taken}; signed in beside the real one: {beside}"))
}

fn unicode_space(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let spaces: [&[u8]; 4] = [b"\xE2\x80\x80", b"\xC2\xA0", b"\xC2\x85", b"\xE3\x80\x80"];
    let taken = |space: &&&[u8]| stage.knows("ann", &[cookie.with([**space, cookie.pair().as_bytes()].concat())]);
    let taken = spaces.iter().filter(taken).count();
    seen(taken == 0, format!("{taken} of {} are trimmed", spaces.len()))
}

fn nameless(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let taken = stage.knows("ann", &[cookie.with(format!("={}", cookie.pair()))]);
    seen(!taken, format!("taken: {taken}"))
}

fn case(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let swap = |c: char| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    let other: String = cookie.name.chars().map(swap).collect();
    let taken = stage.knows("ann", &[cookie.with(format!("{other}={}", cookie.value))]);
    seen(!taken, format!("{other} is taken: {taken}"))
}

fn several_headers(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let known = stage.knows("ann", &[b"x=1".to_vec(), cookie.with(cookie.pair())]);
    seen(known, format!("signed in: {known}"))
}

fn twins(stage: &Stage) -> Seen {
    let (ann, bob) = (Cookie::of(stage, "ann"), Cookie::of(stage, "bob"));
    let header = ann.with(format!("{}; {}", ann.pair(), bob.pair()));
    let who = ["ann", "bob"].into_iter().find(|user| stage.knows(user, std::slice::from_ref(&header)));
    let which = match who {
        Some("ann") => "the first",
        Some(_) => "the second",
        None => "nobody",
    };
    seen(who.is_none(), format!("{which} is signed in"))
}

fn sibling(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let siblings: [&[u8]; 4] = [b"x=\xFF", b"x=\xC3\xA9", b"a b=;;=;$Version=1", b"\"x"];
    let hides =
        |sibling: &&&[u8]| !stage.knows("ann", &[cookie.with([**sibling, b"; ", cookie.pair().as_bytes()].concat())]);
    let hidden: Vec<_> = siblings.iter().filter(hides).map(|sibling| sibling.escape_ascii().to_string()).collect();
    seen(hidden.is_empty(), format!("hidden by {hidden:?}"))
}

/// The number of Redis commands that reads with these values cost.
fn commands(stage: &Stage, cookie: &Cookie, values: &[String]) -> u64 {
    let before = stage.commands();
    for value in values {
        send(stage.a.port, "GET", "/read?name=a", &[line("Cookie", cookie.valued(value))], "");
    }
    stage.commands() - before
}

fn malformed(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let values = ["", "*", "a", "../../x", &"a".repeat(4000), &format!("{}a", cookie.value), "!!!", "{x}"];
    let values = values.map(str::to_owned);
    let commands = commands(stage, &cookie, &values);
    seen(commands == 0, format!("{commands} commands for {} values", values.len()))
}

fn made_up(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let values: Vec<_> = (2..8).map(|which| changed(&cookie.value, which)).collect();
    let commands = commands(stage, &cookie, &values);
    seen(commands == 0, format!("{commands} commands for {} values", values.len()))
}

fn one_spelling(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let at = cookie.value.find(|c: char| c.is_ascii_alphanumeric()).expect("a letter");
    let encoded = format!("{}{}", &cookie.value[..at], encoded(&cookie.value[at..]));
    let others = [encoded, format!("{}=", cookie.value), format!("{}%20", cookie.value)];
    let taken = others.iter().filter(|value| stage.knows("ann", &[cookie.valued(value)])).count();
    seen(taken == 0, format!("{taken} of {} other spellings are taken", others.len()))
}

fn quotes(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let taken = stage.knows("ann", &[cookie.valued(&format!("\"{}\"", cookie.value))]);
    seen(!taken, format!("taken: {taken}"))
}

fn large(stage: &Stage) -> Seen {
    let cookie = Cookie::of(stage, "ann");
    let many: String = (0..4000).map(|number| format!("c{number}=v; ")).collect();
    let headers = [format!("x={}", "v".repeat(64 << 10)), format!("{many}y=1")];
    let ask =
        |header: &String| send(stage.a.port, "GET", "/read?name=a", &[line("Cookie", cookie.with(header))], "").status;
    let statuses: Vec<_> = headers.iter().map(ask).collect();
    seen(statuses.iter().all(|status| (200..500).contains(status)), format!("statuses {statuses:?}"))
}
