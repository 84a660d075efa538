//! The trait of a user type.

use std::{any::Any, borrow::Cow, collections::BTreeSet};

/// The part of a user that sessions need. Implement it for your own type; [`User`](super::User) is the row of Django's
/// table.
///
/// ```
/// use std::borrow::Cow;
/// use shared_session::users::AuthUser;
///
/// #[derive(Clone)]
/// struct Account {
///     number: u32,
///     password_hash: String,
/// }
///
/// impl AuthUser for Account {
///     fn id(&self) -> Cow<'_, str> {
///         self.number.to_string().into()
///     }
///     fn encoded_password(&self) -> &str {
///         &self.password_hash
///     }
/// }
///
/// let account = Account { number: 7, password_hash: "argon2$...".into() };
/// assert!(account.is_active() && !account.is_superuser());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a user type",
    note = "implement `shared_session::users::AuthUser` for your user type"
)]
pub trait AuthUser: Any + Send + Sync {
    /// The primary key, as text, with which [`Users::find`](super::Users::find) finds the user. The session stores it.
    fn id(&self) -> Cow<'_, str>;

    /// The stored password, in one of the formats of [`PasswordHasher`](super::PasswordHasher): Django's, or a string
    /// that begins with `$argon2id$` or `$2b$`, as the crates `argon2` and `bcrypt` make them. A session carries an HMAC
    /// of it, so a new password ends every session of the user.
    ///
    /// For a user without a password return a text that no password matches, such as a random one that begins with `!`,
    /// and change it to end the user's sessions. Never show or log it.
    #[doc(alias = "session_auth_hash")]
    fn encoded_password(&self) -> &str;

    /// Whether the user may sign in. The sessions of an inactive user are anonymous. Default: yes.
    fn is_active(&self) -> bool {
        true
    }

    /// Whether the user may enter the administration: `StaffUser` of the adapters checks it. Default: no.
    fn is_staff(&self) -> bool {
        false
    }

    /// Whether the user has every permission. Default: no.
    fn is_superuser(&self) -> bool {
        false
    }

    /// The epoch in the current row. A session with another epoch is anonymous. Default: 0, for tables without epochs;
    /// if [`Users::raise_epoch`](super::Users::raise_epoch) raises an epoch, this must return it.
    fn epoch(&self) -> i64 {
        0
    }

    /// Whether the user has `permission` (`app.codename`), given the result of
    /// [`Users::permissions`](super::Users::permissions). Django's rule: an inactive user has no permission; an active
    /// superuser has every permission, even one that does not exist.
    ///
    /// ```
    /// use shared_session::users::{AuthUser, User};
    ///
    /// let mut user = User::new("1", "ann");
    /// let permissions = ["blog.add_post".to_owned()].into();
    /// assert!(user.has_perm(&permissions, "blog.add_post"));
    /// assert!(!user.has_perm(&permissions, "blog.delete_post"));
    /// user.is_active = false;
    /// assert!(!user.has_perm(&permissions, "blog.add_post"));
    /// ```
    fn has_perm(&self, permissions: &BTreeSet<String>, permission: &str) -> bool {
        self.is_active() && (self.is_superuser() || permissions.contains(permission))
    }
}

/// A user, or a type that contains one, such as `CurrentUser` of the adapters: `session.login(&user)` takes either.
///
/// Every [`AuthUser`] implements it. Implement it for your own extractor that holds a user:
///
/// ```
/// use shared_session::users::{AsUser, User};
///
/// struct Editor(User);
///
/// impl AsUser for Editor {
///     type User = User;
///     fn as_user(&self) -> &User {
///         &self.0
///     }
/// }
///
/// assert_eq!(Editor(User::new("1", "ann")).as_user().username, "ann");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a user nor contains one",
    note = "implement `shared_session::users::AuthUser` for your user type"
)]
pub trait AsUser {
    /// The type of the user: that of the manager's [`Users`](super::Users::User).
    type User: AuthUser;

    /// The user.
    fn as_user(&self) -> &Self::User;
}

impl<U: AuthUser> AsUser for U {
    type User = U;

    fn as_user(&self) -> &U {
        self
    }
}
