//! The rules for new passwords, which are those of Django's validators.
//!
//! - at least 8 characters (`MinimumLengthValidator`; NIST SP 800-63B), at most 1024 bytes, not only spaces
//! - not only digits (`NumericPasswordValidator`)
//! - not like the user's name or address (`UserAttributeSimilarityValidator`, with its measure and its limit of 0.7)
//! - not a common one (`CommonPasswordValidator`): Django compares with a list of 20,000; here a short list of stems
//!   counts with any digits and signs around them, and so do keyboard runs and repetitions

use crate::translations::Text;

/// The shortest password that is accepted, in characters.
const MIN_PASSWORD_CHARS: usize = 8;
/// The longest password that is accepted, in bytes: longer ones only cost time.
const MAX_PASSWORD_BYTES: usize = 1024;

/// The most common passwords, in lower case, without digits and signs around them.
const STEMS: &str = "\
    abc access account adidas adm admin administrator alexander amanda america andrea andrew angel angels anthony \
    apple arsenal asdf asdfasdf asdfgh asdfghjkl asdfjkl ashley austin autumn babygirl bailey banana barcelona \
    baseball basketball batman benjamin biteme blink buster butterfly carlos changeme charlie cheese chelsea chicken \
    chocolate computer cookie cowboys dallas daniel default demo diamond dolphin donald dragon elizabeth eminem \
    falcon family ferrari flower football forever formula freedom friends gateway george ginger google guest hannah \
    harley heather hello helloworld hottie hunter iceman iloveu iloveyou internet jasmine jennifer jessica jonathan \
    jordan joshua junior justin killer lakers letmein linkedin liverpool login lovely loveme loveyou maggie \
    manchester marina marlboro master matrix matthew maverick melissa mercedes metallica michael michelle mickey \
    midnight minecraft monkey monster mustang mynoob naruto nicole ninja nothing onelove orange pass passcode \
    passphrase passw passwd password passwort pepper pokemon porsche princess purple qazwsx qazwsxedc qwe qweasd \
    qweasdzxc qwer qwert qwerty qwertyui qwertyuiop qwertz qwertzuiop ranger robert root samantha samsung scooter \
    secret september shadow silver slipknot snoopy soccer spiderman spring startrek starwars steelers summer \
    sunshine super superman superstar taylor tennis test testing thomas thunder tigger tinkerbell trustno unknown \
    user victoria welcome whatever william winter yankees yellow zaq zaqxsw zxcvbn zxcvbnm";

/// Keys and letters in sequence.
const RUNS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6z7u8i9o0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "zaq12wsxcde34rfv",
    "q1w2e3r4t5y6u7i8o9p0",
    "zaq1xsw2cde3vfr4",
];

/// The similarity from which a password is too like a known text (Django's `max_similarity`).
const MAX_SIMILARITY: f64 = 0.7;

/// The error of a new password, as a sentence for the visitor. `known` are the user's name and address.
#[must_use]
pub fn what_is_wrong_with(password: &str, known: &[&str]) -> Option<Text> {
    let lowercase = password.to_lowercase();
    match () {
        () if password.trim().is_empty() => Some(Text::new("password-empty")),
        () if password.chars().count() < MIN_PASSWORD_CHARS => Some(Text::new("password-short")),
        () if password.len() > MAX_PASSWORD_BYTES => Some(Text::new("password-long")),
        () if password.chars().all(char::is_numeric) => Some(Text::new("password-digits")),
        () if known.iter().any(|known| is_like(&lowercase, known)) => Some(Text::new("password-similar")),
        () if is_common(&lowercase) => Some(Text::new("password-common")),
        () => None,
    }
}

/// Whether the password is like `known`, or like a word in it.
fn is_like(password: &str, known: &str) -> bool {
    let known = known.to_lowercase();
    let words = known.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.chain([known.as_str()]).any(|word| {
        let (ours, theirs) = (password.chars().count(), word.chars().count());
        // A short word is no evidence against a long password.
        let is_too_short = ours >= 10 * theirs && as_f64(theirs) < MAX_SIMILARITY / 2.0 * as_f64(ours);
        theirs > 0 && !is_too_short && similarity(password, word) >= MAX_SIMILARITY
    })
}

/// The share of characters that two texts have in common, wherever they are: 0 to 1 (`SequenceMatcher.quick_ratio` of Python).
fn similarity(a: &str, b: &str) -> f64 {
    let mut left: Vec<char> = b.chars().collect();
    let all = a.chars().count() + left.len();
    let common =
        a.chars().filter(|c| left.iter().position(|other| other == c).map(|at| left.swap_remove(at)).is_some());
    2.0 * as_f64(common.count()) / as_f64(all)
}

fn is_common(password: &str) -> bool {
    let is_sign = |c: char| !c.is_alphabetic();
    let password = password.trim();
    let stems = [password.trim_matches(is_sign), password.trim_end_matches(is_sign)];
    let is_known = |stem: &str| is_stem(stem) || is_stem(&stem.chars().map(letter).collect::<String>());
    stems.into_iter().any(is_known) || is_run(password) || is_repeated(password)
}

fn is_stem(text: &str) -> bool {
    STEMS.split(' ').any(|stem| stem == text)
}

/// The letter that a digit or a sign stands for.
fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    }
}

/// Whether the password is one run, in either direction.
fn is_run(password: &str) -> bool {
    let backwards: String = password.chars().rev().collect();
    RUNS.iter().any(|run| run.contains(password) || run.contains(backwards.as_str()))
}

/// Whether the password repeats a piece of at most four characters, or is a common or short text twice.
fn is_repeated(password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    let repeats = |piece: usize| letters.iter().zip(letters.iter().skip(piece)).all(|(a, b)| a == b);
    (1..=4).any(repeats) || letters.len().is_multiple_of(2) && repeats(letters.len() / 2) && is_common_half(&letters)
}

/// Whether the first half of the password is too short or too common to be a password itself.
fn is_common_half(letters: &[char]) -> bool {
    let half: String = letters.iter().take(letters.len() / 2).collect();
    is_stem(&half) || half.chars().count() < MIN_PASSWORD_CHARS
}

#[expect(clippy::cast_precision_loss, reason = "a password has few characters")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(password: &str) -> Option<Text> {
        what_is_wrong_with(password, &["AdaLovelace", "countess@engines.example"])
    }

    #[test]
    fn good_passwords_pass() {
        for good in [
            "correct horse",
            "eight888",
            "éééàààüü",
            "demo-password",
            "the-pass-phrase-of-ada",
            "horse horse battery",
            "x9$kLm2!",
            &"a long one ".repeat(90),
        ] {
            assert_eq!(verdict(good), None, "{good}");
        }
    }

    #[test]
    fn short_long_and_empty_ones_are_refused() {
        for bad in ["", "1234567", "ééééééé", "        ", "\u{a0}\t        ", &"ab c".repeat(257)] {
            assert!(verdict(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn digits_alone_are_refused() {
        assert_eq!(verdict("8305729164"), Some(Text::new("password-digits")));
        assert_eq!(verdict("٨٣٠٥٧٢٩١٦٤"), Some(Text::new("password-digits")));
    }

    #[test]
    fn a_password_like_the_name_of_its_user_is_refused() {
        for bad in ["adalovelace", "AdaLovelace1", "lovelaceada", "Countess@engines.example", "countess1", "1engines!"]
        {
            assert_eq!(verdict(bad), Some(Text::new("password-similar")), "{bad}");
        }
        assert_eq!(what_is_wrong_with("correct horse", &["", "a", "o"]), None);
    }

    #[test]
    fn common_passwords_are_refused() {
        for bad in [
            "password",
            "Password1!",
            "p@ssw0rd",
            "P@ssw0rd!",
            "$ecret12",
            "12password",
            "welcome2024",
            "letmein!!",
            "qwertyuiop",
            "1q2w3e4r",
            "abcdefgh",
            "hgfedcba",
            "aaaaaaaa",
            "abcabcabc",
            "12ab12ab",
            "secretsecret",
            "iloveyou2",
            "zaq12wsx",
            "summer2025",
            "admin1234",
        ] {
            assert!(verdict(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn the_measure_is_that_of_python() {
        for (a, b, ratio) in [("abcd", "bcde", 0.75), ("aab", "ab", 0.8), ("x", "y", 0.0)] {
            assert!((similarity(a, b) - ratio).abs() < 1e-9, "{a} {b}: {}", similarity(a, b));
        }
    }

    #[test]
    fn the_stems_have_the_form_in_which_they_are_compared() {
        for stem in STEMS.split(' ') {
            assert!(!stem.is_empty() && stem.chars().all(|c| c.is_ascii_lowercase()), "{stem:?}");
        }
    }
}
