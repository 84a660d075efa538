use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::*;

/// Names of messages, and the values of each one: `{ $name }`.
type Messages<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn messages(language: Language) -> Messages<'static> {
    let mut messages = Messages::new();
    let mut last = "";
    for line in source(language).lines().filter(|line| !line.starts_with('#')) {
        if let Some((id, _)) = line.split_once(" =").filter(|(id, _)| !id.starts_with(' ')) {
            assert!(messages.insert(id, BTreeSet::new()).is_none(), "{id} is there twice");
            last = id;
        }
        let values = line.split("{ $").skip(1).filter_map(|rest| rest.split(' ').next());
        messages.entry(last).or_default().extend(values);
    }
    messages.remove("");
    messages
}

/// Every source file that may use a message.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => walk(&path, found),
                // These tests use names that do not exist.
                _ if path.ends_with("translations/tests.rs") => {}
                Some("rs" | "html") => found.push((path.display().to_string(), fs::read_to_string(&path).unwrap())),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["src", "site", "templates"] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found
}

/// The names that the sources use, and the values that a template passes in one call.
fn asked() -> BTreeMap<String, BTreeSet<String>> {
    let mut asked = BTreeMap::<_, BTreeSet<_>>::new();
    for (file, text) in sources() {
        for call in ["Text::new(", ".t(", ".t_with(", ".t_count(", ".t_text(", ".t_when("] {
            for rest in text.split(call).skip(1) {
                let Some(rest) = rest.trim_start().strip_prefix('"') else {
                    let is_passed_on = rest.starts_with("id") || rest.starts_with("&self");
                    assert!(is_passed_on, "{file}: the name after {call} is not a literal");
                    continue;
                };
                let mut quoted = rest.split('"');
                let values = asked.entry(quoted.next().unwrap().to_owned()).or_default();
                match call {
                    ".t_with(" | ".t_text(" => values.extend(quoted.nth(1).map(str::to_owned)),
                    ".t_when(" => values.extend(["when".to_owned()]),
                    ".t_count(" => values.extend(["count".to_owned()]),
                    _ => {}
                }
            }
        }
    }
    asked
}

#[test]
fn both_languages_can_be_read() {
    for language in Language::ALL {
        let resource = FluentResource::try_new(source(language).to_owned()).map_err(|(_, errors)| errors).unwrap();
        let mut bundle = Bundle::new_concurrent(vec![language.tag().parse().unwrap()]);
        bundle.add_resource(resource).unwrap();
    }
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_variables() {
    assert_eq!(messages(Language::English), messages(Language::Chinese));
}

#[test]
fn every_used_message_exists_and_every_message_is_used() {
    let (asked, there) = (asked(), messages(Language::English));
    let missing: Vec<_> = asked.keys().filter(|id| !there.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "used and not defined: {missing:?}");
    let unused: Vec<_> = there.keys().filter(|id| !asked.contains_key(**id)).collect();
    assert!(unused.is_empty(), "defined and never used: {unused:?}");
    for (id, values) in asked {
        for value in values {
            assert!(there[id.as_str()].contains(value.as_str()), "{id} does not speak of {value}");
        }
    }
}

#[test]
fn every_message_renders_with_its_variables() {
    for language in Language::ALL {
        for (id, values) in messages(language) {
            let text = values.iter().fold(Text::new(id), |text, value| match *value {
                "count" => text.with_count(7),
                value => text.with(value, "VALUE"),
            });
            let said = text.in_language(language);
            assert!(
                !said.is_empty() && (said != id || !id.contains('-')) && !said.contains('{'),
                "{language:?} {id}: {said}"
            );
            for value in values {
                assert!(said.contains(if value == "count" { "7" } else { "VALUE" }), "{language:?} {id}: {said}");
            }
        }
    }
}

#[test]
fn the_chinese_text_is_chinese() {
    let english = messages(Language::English);
    for id in english.keys() {
        let [en, zh] = Language::ALL.map(|language| {
            let text = english[id].iter().fold(Text::new(id), |text, value| text.with(value, ""));
            text.in_language(language)
        });
        let is_chinese = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        assert!(zh.chars().any(is_chinese) || zh == en && zh.trim().is_empty(), "{id}: {zh}");
        // Punctuation between Chinese characters is Chinese too.
        let letters: Vec<char> = zh.chars().collect();
        let mixed = letters.windows(2).any(|pair| is_chinese(pair[0]) && ",;:!?".contains(pair[1]));
        assert!(!mixed && !zh.ends_with('.'), "{id}: {zh}");
    }
}

#[test]
fn a_message_without_a_translation_shows_its_name() {
    assert_eq!(Text::new("no-such-message").in_language(Language::Chinese), "no-such-message");
}

#[test]
fn one_and_many_differ_in_english() {
    let said = |count: u64| Text::new("time-days-ago").with_count(count);
    assert_eq!(said(1).in_language(Language::English), "1 day ago");
    assert_eq!(said(21).in_language(Language::English), "21 days ago");
    assert_eq!(said(1_204).in_language(Language::Chinese), "1204 天前");
}

#[test]
fn values_are_words_even_if_they_look_like_numbers() {
    let text = Text::new("sign-out-still").with("name", "1e5");
    assert_eq!(text.in_language(Language::English), "You are still signed in as 1e5.");
}
