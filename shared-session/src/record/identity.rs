//! The user of a session.

use std::fmt;

/// The signed-in user, with the marks that tie the session to the user's row. A session with outdated marks is
/// anonymous.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user's primary key as text.
    pub user_id: String,
    /// Derived from the password column, so that a new password ends every session.
    pub auth_hash: String,
    /// Incremented in the user's row to end every session.
    pub epoch: i64,
}

impl Identity {
    /// The user `user_id` with the marks of their row.
    #[must_use]
    pub fn new(user_id: impl Into<String>, auth_hash: impl Into<String>, epoch: i64) -> Self {
        Self { user_id: user_id.into(), auth_hash: auth_hash.into(), epoch }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}
