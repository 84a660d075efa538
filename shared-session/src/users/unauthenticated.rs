//! Why a request has no signed-in user.

use std::{error::Error as StdError, fmt};

use crate::error::{Error, ErrorKind};

/// The reason why a request has no signed-in user. It is the source of the error of
/// [`Session::require_user`](crate::Session::require_user), which extractors of signed-in users return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnauthenticatedReason {
    /// The client sent no session cookie, or conflicting ones: a first visit, or a browser that does not keep the
    /// cookie.
    NoCookie,
    /// The session of the cookie has ended: it expired, was signed out or revoked, or its user has a new password or is
    /// no longer active.
    Ended,
    /// The session has no user.
    Anonymous,
    /// The user signed in too long ago for the operation: [`Session::require_fresh`](crate::Session::require_fresh).
    TooLongAgo,
}

impl UnauthenticatedReason {
    /// The reason in `error`, if it has one.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # use shared_session::{SecretKeys, SessionManager, store::MemoryStore};
    /// # use shared_session::users::{SqlUsers, UnauthenticatedReason};
    /// # let users = SqlUsers::connect("sqlite::memory:").await?;
    /// # let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// # let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys);
    /// let session = manager.open([]).load().await?;
    /// let error = session.require_user().await.unwrap_err();
    /// assert_eq!(UnauthenticatedReason::of(&error), Some(UnauthenticatedReason::NoCookie));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    pub(super) fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::Unauthenticated, "nobody is signed in").with_source(self);
        match self {
            Self::NoCookie => error.with_public_message("No session cookie was sent. Please sign in."),
            Self::Ended => error.with_public_message("Your session has ended. Please sign in."),
            Self::TooLongAgo => error.with_public_message("This action needs a recent sign-in. Please sign in again."),
            Self::Anonymous => error,
        }
    }
}

impl fmt::Display for UnauthenticatedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCookie => "no session cookie was sent",
            Self::Ended => "the session has ended",
            Self::Anonymous => "nobody has signed in",
            Self::TooLongAgo => "the sign-in is too long ago",
        })
    }
}

impl StdError for UnauthenticatedReason {}
