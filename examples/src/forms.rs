//! Checks of the input in the forms of `site`.
//!
//! The rules for user names, e-mail addresses and passwords are Django's, so that an account created here works there.

use crate::{passwords, translations::Text, usernames::what_is_wrong_with};

/// The kind of name that users sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInNames {
    /// User names of their choice.
    UserNames,
    /// Their e-mail addresses.
    Emails,
}

/// The error of one field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the field, which is also the `id` of its input.
    pub field: &'static str,
    /// The message for the visitor.
    pub message: Text,
}

impl FieldError {
    /// An error of `field`.
    #[must_use]
    pub const fn new(field: &'static str, message: Text) -> Self {
        Self { field, message }
    }
}

/// Checks the name of a group, without the space around it.
#[must_use]
pub fn check_group_name(name: &str) -> Option<FieldError> {
    let message = match name.chars().count() {
        0 => Text::new("group-name-missing"),
        1..=150 if name.chars().any(char::is_control) => Text::new("group-name-unreadable"),
        1..=150 => return None,
        _ => Text::new("group-name-long"),
    };
    Some(FieldError::new("name", message))
}

/// Checks a registration. `username` is the normalized name. An empty `email` is accepted; where users sign in with
/// their address, `username` may also hold the address.
#[must_use]
pub fn check_registration(
    names: SignInNames,
    username: &str,
    email: &str,
    password1: &str,
    password2: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let wrong_name = match names {
        SignInNames::UserNames => what_is_wrong_with(username),
        SignInNames::Emails if email.is_empty() && !is_email(username) => Some(Text::new("form-email-needed")),
        SignInNames::Emails => None,
    };
    errors.extend(wrong_name.map(|message| FieldError::new("username", message)));
    if !email.is_empty() && !is_email(email) {
        errors.push(FieldError::new("email", Text::new("form-email-wrong")));
    }
    errors.extend(check_new_password(["password1", "password2"], password1, password2, &[username, email]));
    errors
}

/// Checks a new password and its repetition; `fields` are the names of the two fields. `known` are the user's own name
/// and address, which are easy to guess.
#[must_use]
pub fn check_new_password(
    fields: [&'static str; 2],
    password: &str,
    repeated: &str,
    known: &[&str],
) -> Option<FieldError> {
    let [field, repetition] = fields;
    if let Some(message) = passwords::what_is_wrong_with(password, known) {
        return Some(FieldError::new(field, message));
    }
    (password != repeated).then(|| FieldError::new(repetition, Text::new("form-passwords-differ")))
}

/// The search term of a search field: without the space around it and without control characters, which PostgreSQL
/// refuses; at most 150 characters.
#[must_use]
pub fn search_term(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(150).collect()
}

/// Whether `text` has the form of an e-mail address: a plain local part and a domain with a dot, at most 254 bytes.
/// Only a message to the address can tell whether it exists.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(username: &str, email: &str, password1: &str, password2: &str) -> Vec<&'static str> {
        let errors = check_registration(SignInNames::UserNames, username, email, password1, password2);
        errors.iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_good_registration_has_no_errors() {
        assert_eq!(fields("ada", "ada@example.com", "correct horse", "correct horse"), [""; 0]);
        assert_eq!(fields("ada", "", "eight888", "eight888"), [""; 0]);
    }

    #[test]
    fn each_wrong_field_is_named() {
        assert_eq!(fields("", "x", "short", "short"), ["username", "email", "password1"]);
        assert_eq!(fields("a b", "", "long enough", "long enougH"), ["username", "password2"]);
        assert_eq!(fields(&"x".repeat(151), "", "long enough", ""), ["username", "password2"]);
    }

    #[test]
    fn one_of_the_two_fields_is_the_address_if_addresses_are_names() {
        let check = |username: &str, email: &str| {
            let errors = check_registration(SignInNames::Emails, username, email, "correct horse", "correct horse");
            errors.iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(check("o'neil@example.com", ""), [""; 0]);
        assert_eq!(check("", "ada@example.com"), [""; 0]);
        assert_eq!(check("a name", "ada@example.com"), [""; 0]);
        assert_eq!(check("ada", ""), ["username"]);
        assert_eq!(check("ada@example.com", "ada"), ["email"]);
    }

    #[test]
    fn a_new_password_is_good_and_repeated() {
        let check = |password, repeated| check_new_password(["p", "q"], password, repeated, &["AdaLovelace"]);
        assert_eq!(check("1234567", "1234567").unwrap().field, "p");
        assert_eq!(check("adalovelace", "adalovelace").unwrap().message, Text::new("password-similar"));
        assert_eq!(check("correct horse", "correct hors").unwrap().field, "q");
        assert_eq!(check("correct horse", "correct horse"), None);
    }

    #[test]
    fn email_addresses_have_their_form() {
        for email in ["a@b.example", "first.last+tag@sub.example.com", "o'neil@example.com", "a@exämple.de"] {
            assert!(is_email(email), "{email}");
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for email in [
            "",
            "a",
            "a@",
            "@b.example",
            "a@b",
            "a b@c.example",
            "a@b..example",
            ".a@b.example",
            "a@-b.example",
            "a@b.example\n",
            "a@b@c d.example",
            "a\0@b.example",
            &long,
        ] {
            assert!(!is_email(email), "{email:?}");
        }
    }

    #[test]
    fn search_terms_hold_nothing_that_a_database_refuses() {
        assert_eq!(search_term("  a\0b\n "), "ab");
        assert_eq!(search_term(&"ä".repeat(200)).chars().count(), 150);
    }
}
