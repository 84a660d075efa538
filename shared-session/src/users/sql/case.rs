//! Names that differ only in the case of their letters. Pure.

/// A name without case, letter by letter: no letter becomes two.
pub(super) fn folded(name: &str) -> String {
    name.chars().map(|letter| one(one(letter, char::to_uppercase), char::to_lowercase)).collect()
}

fn one<I: Iterator<Item = char>>(letter: char, change: fn(char) -> I) -> char {
    let mut changed = change(letter);
    match (changed.next(), changed.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// A `LIKE` pattern that matches at least the names that differ from `name` only in case, in a database that folds the
/// case of ASCII letters only. A wildcard replaces each letter with a twin outside of ASCII (`\u{131}`, `\u{17f}`,
/// `\u{212a}`).
pub(super) fn pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            'i' | 'I' | 'k' | 'K' | 's' | 'S' => pattern.push('_'),
            '%' | '_' | '\\' => pattern.extend(['\\', letter]),
            letter if letter.is_ascii() => pattern.push(letter),
            _ => pattern.push('_'),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_taken_away_letter_by_letter() {
        for same in
            [["Ann", "aNN"], ["Жанна", "жАННА"], ["ΣΙΣΥΦΟΣ", "σισυφος"], ["straße", "STRAẞE"], ["Admın", "aDMIN"]]
        {
            assert_eq!(folded(same[0]), folded(same[1]), "{same:?}");
        }
        for other in [["ann", "anne"], ["a", "á"], ["strasse", "straße"]] {
            assert_ne!(folded(other[0]), folded(other[1]), "{other:?}");
        }
    }

    #[test]
    fn the_pattern_finds_letters_of_either_case() {
        assert_eq!(pattern(r"ann_%\é"), r"ann\_\%\\_");
        assert_eq!(pattern("Kim"), "__m");
    }

    #[test]
    fn letters_that_are_equal_without_case_fit_the_pattern() {
        for letter in ('\0'..=char::MAX).filter(|letter| !letter.is_ascii()) {
            let twin = folded(&letter.to_string());
            assert!(!twin.is_ascii() || pattern(&twin) == "_", "{letter:?} is {twin:?} without case");
        }
    }
}
