//! Preferences: entries of the session with a common prefix. `api` stores any; `site` uses two of them.

/// The start of the names of their entries.
pub const PREFIX: &str = "pref.";
/// The entry of the preferred theme.
pub const THEME: &str = "pref.theme";
/// The entry of the preferred language.
pub const LANGUAGE: &str = "pref.language";

/// The session entry of a preference. `None` unless the name is 1 to 64 of `A-Z a-z 0-9 _ . -`.
#[must_use]
pub fn entry(name: &str) -> Option<String> {
    let is_valid =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    is_valid.then(|| format!("{PREFIX}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_preferences_are_short_and_plain() {
        assert_eq!([entry("theme").as_deref(), entry("language").as_deref()], [Some(THEME), Some(LANGUAGE)]);
        for name in ["A-z_0.9", &"x".repeat(64)] {
            assert!(entry(name).is_some(), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(entry(name), None, "{name:?}");
        }
    }
}
