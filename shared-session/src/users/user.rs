//! The row of Django's table of users.

use std::{borrow::Cow, fmt};

use super::{
    AuthUser,
    auth_hash::{self, Verified},
};
use crate::keys::SecretKeys;

/// A user of Django's table, as of the time when the row was read. Your own table may have [its own type](AuthUser).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The primary key, as text.
    pub id: String,
    /// The name to sign in with. Unique, and case-sensitive unless the table compares it otherwise.
    pub username: String,
    /// May be empty, and need not be unique.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Inactive users cannot sign in, and their sessions are anonymous.
    pub is_active: bool,
    /// May enter the administration.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
    /// Raised to end all sessions of the user; 0 at first.
    pub epoch: i64,
    /// Seconds since the Unix epoch.
    pub date_joined: Option<i64>,
    /// Seconds since the Unix epoch; `None` before the first login.
    pub last_login: Option<i64>,
    password: String,
}

impl User {
    /// An active user without a usable password, for implementations of [`Users`](super::Users).
    #[must_use]
    pub fn new(id: impl Into<String>, username: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            username: username.into(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            epoch: 0,
            date_joined: None,
            last_login: None,
            password: "!".to_owned(),
        }
    }

    /// Sets the encoded password, a string in one of the formats of [`PasswordHasher`](super::PasswordHasher). Default:
    /// `!`, which no password matches.
    #[must_use]
    pub fn with_encoded_password(mut self, encoded: impl Into<String>) -> Self {
        self.password = encoded.into();
        self
    }

    /// The link between a session and the user's present password: an HMAC of the stored hash, 43 characters; with the
    /// keys of a [Django deployment](SecretKeys::django) it is Django's own, 64 hexadecimal digits. A login stores it
    /// in the session. A new password changes it, which ends the sessions that hold the old one.
    ///
    /// ```
    /// use shared_session::{SecretKeys, users::User};
    ///
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let user = User::new("1", "ann").with_encoded_password("argon2$...");
    /// let hash = user.session_auth_hash(&keys);
    /// assert!(user.verify_session_auth_hash(&keys, &hash));
    ///
    /// let changed = user.with_encoded_password("argon2$... of another password");
    /// assert!(!changed.verify_session_auth_hash(&keys, &hash));
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn session_auth_hash(&self, keys: &SecretKeys) -> String {
        auth_hash::make(keys, &self.password)
    }

    /// Whether `hash` is this user's session auth hash under one of the `keys`. Compares in constant time.
    #[must_use]
    pub fn verify_session_auth_hash(&self, keys: &SecretKeys, hash: &str) -> bool {
        auth_hash::verify(keys, &self.password, hash) != Verified::No
    }
}

impl AuthUser for User {
    fn id(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.id)
    }

    fn encoded_password(&self) -> &str {
        &self.password
    }

    fn is_active(&self) -> bool {
        self.is_active
    }

    fn is_staff(&self) -> bool {
        self.is_staff
    }

    fn is_superuser(&self) -> bool {
        self.is_superuser
    }

    fn epoch(&self) -> i64 {
        self.epoch
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("is_active", &self.is_active)
            .field("is_staff", &self.is_staff)
            .field("is_superuser", &self.is_superuser)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn permissions_follow_the_rule_of_django() {
        let granted = BTreeSet::from(["blog.add_post".to_owned()]);
        let mut user = User::new("1", "ann");
        assert!(user.has_perm(&granted, "blog.add_post"));
        assert!(!user.has_perm(&granted, "blog.add"));
        user.is_superuser = true;
        assert!(user.has_perm(&BTreeSet::new(), "no.such"));
        user.is_active = false;
        assert!(!user.has_perm(&granted, "blog.add_post"));
    }

    #[test]
    fn debug_shows_neither_the_password_nor_the_user() {
        let mut user = User::new("4711", "ann").with_encoded_password("argon2$secret");
        user.email = "ann@example.org".into();
        let shown = format!("{user:?}");
        for hidden in ["4711", "ann", "secret", "argon2"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
