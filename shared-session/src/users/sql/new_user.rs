//! A new user, and the rules for its fields.

use std::fmt;

use crate::error::Error;

/// The input of [`SqlUsers::create_user`](super::SqlUsers::create_user). By default the user is active, and neither
/// staff nor superuser.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// At most 150 letters, digits and `@.+-_`: Django's rule. Stored in [NFKC](crate::users::normalized_name).
    pub username: String,
    /// In plain text; hashed before it is stored.
    pub password: String,
    /// At most 254 characters. Its domain is stored in lower case, as Django does. Default: empty.
    pub email: String,
    /// May enter the administration. Default: no.
    pub is_staff: bool,
    /// Has every permission. Default: no.
    pub is_superuser: bool,
}

impl NewUser {
    /// A user without e-mail address and rights.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            email: String::new(),
            is_staff: false,
            is_superuser: false,
        }
    }

    /// Sets the e-mail address. Default: empty.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }

    /// Makes it a superuser who is staff, as Django's `createsuperuser` does. Default: neither.
    #[must_use]
    pub fn with_superuser(mut self) -> Self {
        self.is_staff = true;
        self.is_superuser = true;
        self
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("is_staff", &self.is_staff)
            .field("is_superuser", &self.is_superuser)
            .finish_non_exhaustive()
    }
}

/// The reason why [`SqlUsers::create_user`](super::SqlUsers::create_user) created no user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateUserError {
    /// A user with that name already exists, perhaps created by another service a moment ago.
    #[error("a user with that name already exists")]
    NameTaken,
    /// The name is empty, longer than 150 characters, or has characters other than letters, digits and `@.+-_`.
    #[error("a user name must have 1 to 150 characters: letters, digits and @ . + - _")]
    InvalidName,
    /// The address is longer than 254 characters or has control characters; or users sign in with it, and it has no
    /// `@`.
    #[error("the e-mail address is not valid")]
    InvalidEmail,
    /// A user with that address already exists, and the table allows only one.
    #[error("a user with that e-mail address already exists")]
    EmailTaken,
    /// The user model requires more than [`NewUser`] holds: this column needs a value, and the database has no default
    /// for it.
    #[error(
        "the column {0} of the user table requires a value that create_user does not set: \
         create users with Django (manage.py createsuperuser), or give the column a default in the database"
    )]
    ColumnNeeded(String),
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The length of Django's column, which limits new names.
const MAX_NAME_CHARS: usize = 150;

pub(super) fn is_valid_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && name.chars().all(|character| character.is_alphanumeric() || "@.+-_".contains(character))
}

/// An empty address is valid: the user has none.
pub(super) fn is_valid_email(email: &str) -> bool {
    email.chars().count() <= 254 && !email.contains(|character: char| character.is_control())
}

pub(super) fn normalized_email(email: &str) -> String {
    match email.trim().rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => email.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_follow_the_rule_of_django() {
        for good in ["a", "ann@example.org", "a.b+c-d_e", "żółć", "日本", &"x".repeat(150)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", "a b", "a\n", "a\0", "<b>", "a/b", "e\u{301}", &"x".repeat(151)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_domain_of_an_address_is_in_lower_case() {
        assert_eq!(normalized_email(" Ann@EXAMPLE.org "), "Ann@example.org");
        assert_eq!(normalized_email("a@b@C"), "a@b@c");
        assert_eq!(normalized_email("None"), "None");
    }
}
