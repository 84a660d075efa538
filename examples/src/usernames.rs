//! The rules for new user names. Existing users may have other names, and sign in with them.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_script::{Script, ScriptExtension};

use shared_session::users::normalized_name;

use crate::translations::Text;

const MAX_CHARS: usize = 150;

/// A new user name as stored: without the space around it, in NFKC, so that look-alikes made of full-width letters or
/// ligatures become the same name.
#[must_use]
pub fn normalized_username(username: &str) -> String {
    normalized_name(username.trim())
}

/// The error of a new, normalized name.
#[must_use]
pub fn what_is_wrong_with(username: &str) -> Option<Text> {
    match () {
        () if username.is_empty() => Some(Text::new("username-empty")),
        () if username.chars().count() > MAX_CHARS => Some(Text::new("username-long")),
        () if !username.chars().all(|c| is_word(c) || "@.+-".contains(c)) => Some(Text::new("username-letters")),
        () if username.chars().any(is_invisible) => Some(Text::new("username-invisible")),
        () if !is_of_one_script(username) => Some(Text::new("username-scripts")),
        () => None,
    }
}

/// Python's `\w`, on which Django's pattern `^[\w.@+-]+\Z` is based: letters and numbers, no marks.
fn is_word(c: char) -> bool {
    c == '_' || matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

/// The letters that are invisible in text: the Hangul fillers (Unicode, `Default_Ignorable_Code_Point`).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Whether all letters are of one script (Unicode Technical Standard 39, 5.2); Chinese, Japanese and Korean letters may
/// be mixed with others. Otherwise `admin` could begin with a Cyrillic letter.
fn is_of_one_script(username: &str) -> bool {
    const EAST_ASIAN: [Script; 5] = [Script::Han, Script::Hiragana, Script::Katakana, Script::Hangul, Script::Bopomofo];
    let scripts = username.chars().map(ScriptExtension::from);
    let scripts = scripts.filter(|scripts| !EAST_ASIAN.iter().any(|script| scripts.contains_script(*script)));
    !scripts.fold(ScriptExtension::default(), |all, scripts| all.intersection(scripts)).is_empty()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, process::Command};

    use super::*;

    fn is_allowed(username: &str) -> bool {
        what_is_wrong_with(username).is_none()
    }

    #[test]
    fn names_in_any_alphabet_are_allowed() {
        for name in [
            "ada",
            "Ada.Lovelace+1@home_-",
            "andré",
            "李",
            "李john",
            "さくらカナ漢字1",
            "Жанна",
            "Ωμέγα",
            "한글",
            &"x".repeat(150),
        ] {
            assert!(is_allowed(name), "{name}");
        }
    }

    #[test]
    fn other_signs_and_invisible_letters_are_refused() {
        for name in ["", "a b", "a/b", "a\0b", "<b>", "a\u{200b}b", "a\u{345}", "Ⓐ", "ada\u{3164}", &"x".repeat(151)]
        {
            assert!(!is_allowed(name), "{name:?}");
        }
        for filler in ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'] {
            assert!(!is_allowed(&normalized_username(&format!("ada{filler}"))), "{filler:?}");
        }
    }

    #[test]
    fn letters_of_two_alphabets_that_look_alike_are_refused() {
        for name in ["\u{430}dmin", "adm\u{456}n", "r\u{3bf}ot", "\u{430}dmin李"] {
            assert!(!is_allowed(name), "{name}");
        }
    }

    #[test]
    fn look_alike_forms_are_one_name() {
        assert_eq!(normalized_username(" ａｄａ "), "ada");
        assert_eq!(normalized_username("andre\u{301}"), "andré");
    }

    #[test]
    fn words_are_those_of_python() {
        // Python's and Rust's versions of Unicode may differ in characters that one of them does not know yet.
        let script = "import re, sys, unicodedata
for c in map(chr, [*range(0xd800), *range(0xe000, 0x110000)]):
    if unicodedata.category(c) != 'Cn' and re.match(r'\\w', c): print(ord(c))";
        let ran = Command::new("python3").args(["-c", script]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let theirs: BTreeSet<u32> =
            String::from_utf8(ran.stdout).unwrap().lines().map(|n| n.parse().unwrap()).collect();
        let script = "import unicodedata
for c in map(chr, [*range(0xd800), *range(0xe000, 0x110000)]):
    if unicodedata.category(c) == 'Cn': print(ord(c))";
        let ran = Command::new("python3").args(["-c", script]).output().unwrap();
        let unknown: BTreeSet<u32> =
            String::from_utf8(ran.stdout).unwrap().lines().map(|n| n.parse().unwrap()).collect();
        assert!(theirs.len() > 130_000);
        for c in ('\0'..=char::MAX).filter(|c| !unknown.contains(&(*c).into())) {
            assert_eq!(is_word(c), theirs.contains(&c.into()), "{c:?} {:?}", c.general_category_group());
        }
    }
}
