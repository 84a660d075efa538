use std::future::Future;

use super::Users;
use crate::Error;

/// [`Users`] that a service may change. Sessions do not need it; [`SqlUsers`](super::SqlUsers) has it, and methods of its
/// own to create and list users.
///
/// The rules of [`Users`] hold for each method.
pub trait ManageUsers: Users {
    /// Stores a new password, hashed with [`hasher`](Users::hasher), and answers the user as stored now; `None` if there
    /// is none. Costs one password hash. Ends all sessions of the user;
    /// [sign the user in](crate::Session::login) again to keep the one at hand.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails.
    fn set_password(&self, id: &str, password: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// Activates or deactivates a user; says whether there is one. The sessions of an inactive user are anonymous, and
    /// count again when the user is active again: to end them for good, [revoke
    /// them](crate::SessionManager::revoke_all).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the user table has no column for it.
    fn set_active(&self, id: &str, active: bool) -> impl Future<Output = Result<bool, Error>> + Send;
}
