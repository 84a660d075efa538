//! The checks of each service, in the order of docs/security.md.

mod caches;
mod lifetime;
mod received;
mod sent;
mod stored;

use crate::stage::Stage;

/// A requirement that can be tested from outside.
pub struct Check {
    /// The name of the check in notes.
    pub key: &'static str,
    /// The id in docs/security.md.
    pub id: &'static str,
    pub text: &'static str,
    /// The check needs a cookie with the prefix `__Host-`, which some libraries have only as a setting: it does not
    /// apply to the defaults.
    pub with_prefix: bool,
    run: fn(&Stage) -> Seen,
}

impl Check {
    const fn new(key: &'static str, id: &'static str, text: &'static str, run: fn(&Stage) -> Seen) -> Self {
        Self { key, id, text, with_prefix: false, run }
    }

    pub fn run(&self, stage: &Stage) -> Seen {
        stage.redis.cli(&["FLUSHALL"]);
        (self.run)(stage)
    }
}

/// The result of a check.
#[derive(Clone, Debug)]
pub struct Seen {
    pub holds: bool,
    /// A description for the output of the run.
    pub what: String,
}

fn seen(holds: bool, what: impl Into<String>) -> Seen {
    Seen { holds, what: what.into() }
}

pub fn all() -> Vec<Check> {
    let mut all: Vec<_> = [sent::checks(), received::checks(), stored::checks(), lifetime::checks(), caches::checks()]
        .into_iter()
        .flatten()
        .collect();
    all.sort_by_key(|check| "CPILKX".find(|group| check.id.starts_with(group)));
    all
}

/// Replaces one letter or digit of the value with another; the form stays valid.
fn changed(value: &str, which: usize) -> String {
    let other = |c: char| match c {
        '9' => '0',
        'f' => 'a',
        'z' => 'b',
        'Z' => 'A',
        c => char::from(c as u8 + 1),
    };
    let mut letters = value.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric());
    let (at, c) = letters.nth(which).expect("a value with more letters");
    let changed = other(c);
    format!("{}{changed}{}", &value[..at], &value[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn a_changed_value_differs_and_has_the_form_of_the_value() {
        assert_eq!(changed("-_a9f%Z", 0), "-_b9f%Z");
        assert_eq!(changed("-_a9f%Z", 1), "-_a0f%Z");
        assert_eq!(changed("-_a9f%Z", 3), "-_a9f%A");
    }
}
