//! The trait of a table of users that can be changed.

use std::future::Future;

use super::Users;
use crate::error::Error;

/// [`Users`] that a service can change. Sessions do not need it. [`SqlUsers`](super::SqlUsers) implements it, and has
/// further methods to create and list users.
///
/// Each method follows the rules of [`Users`].
pub trait ManageUsers: Users {
    /// Stores a new password, hashed with [`hasher`](Users::hasher), without a check of the old one. Returns the user
    /// as stored now; `None` if the user does not exist. For administrators; for the user's own request see
    /// [`change_password`](Self::change_password). Costs one password hash. Ends all sessions of the user; [sign the
    /// user in](crate::Session::login) again to keep the current one.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails.
    fn set_password(&self, id: &str, password: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// As [`set_password`](Self::set_password), but only if the stored password is still that of `user`, in one atomic
    /// step: for users who have just entered their old password. Returns the user as stored now; `None`, with nothing
    /// changed, if the password has changed since `user` was read or the user does not exist. Exactly one of several
    /// simultaneous changes succeeds. Costs one password hash.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use shared_session::users::{ManageUsers, NewUser, SqlUsers, Users};
    ///
    /// let users = SqlUsers::connect("sqlite::memory:").await?;
    /// users.migrate().await?;
    /// let ann = users.create_user(NewUser::new("ann", "correct horse")).await?;
    /// assert!(users.check_password(&ann, "correct horse").await?);
    /// assert!(users.change_password(&ann, "battery staple").await?.is_some());
    /// // Another request that has read the same row comes too late.
    /// assert!(users.change_password(&ann, "something else").await?.is_none());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails.
    fn change_password(
        &self,
        user: &Self::User,
        password: &str,
    ) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// Activates or deactivates a user; returns whether the user exists. The sessions of an inactive user are
    /// anonymous, and count again once the user is active again: to end them for good, [revoke
    /// them](crate::SessionManager::revoke_all).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the user table has no column for it.
    fn set_active(&self, id: &str, active: bool) -> impl Future<Output = Result<bool, Error>> + Send;
}
