//! The signed-in user of a request, checked.

use std::{collections::BTreeSet, ops::Deref};

use super::{AsUser, AuthUser, User};
use crate::{
    engine::session::Session,
    error::{Error, ErrorKind},
};

/// The signed-in user, checked against the user table, and the session. In handlers take the wrapper of the same name
/// of your adapter:
/// [`shared_session_axum::CurrentUser`](https://docs.rs/shared-session-axum/latest/shared_session_axum/struct.CurrentUser.html)
/// or [`shared_session_actix::CurrentUser`](https://docs.rs/shared-session-actix/latest/shared_session_actix/struct.CurrentUser.html).
/// This type is no extractor. `StaffUser` of the adapters wraps it, too.
///
/// ```
/// use shared_session::{Error, Session, users::CurrentUser};
///
/// async fn publish(session: Session) -> Result<String, Error> {
///     let user: CurrentUser = CurrentUser::of(session).await?;
///     user.require_perm("blog.add_post").await?;
///     Ok(format!("published by {}", user.username))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser<U = User> {
    user: U,
    session: Session,
}

impl<U: AuthUser + Clone> CurrentUser<U> {
    /// The user of `session`. One SELECT per request, or none with a [user cache](super::UserCache).
    ///
    /// # Errors
    /// As [`Session::require_user_as`].
    pub async fn of(session: Session) -> Result<Self, Error> {
        let user = session.require_user_as().await?;
        Ok(Self { user, session })
    }

    /// The user of `session`, if the user is [staff](AuthUser::is_staff). Staff decide about other users, so this
    /// bypasses a user cache; load the session [past a near cache](crate::LoadOptions::past_near_cache), too.
    ///
    /// # Errors
    /// As [`of`](Self::of), and [`ErrorKind::Forbidden`] if the user is not staff.
    pub async fn staff_of(session: Session) -> Result<Self, Error> {
        session.past_user_cache();
        let user = Self::of(session).await?;
        if user.is_staff() { Ok(user) } else { Err(ErrorKind::Forbidden.into()) }
    }
}

impl<U: AuthUser> CurrentUser<U> {
    /// The session that the user is signed in to.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The user without the session.
    #[must_use]
    pub fn into_user(self) -> U {
        self.user
    }

    /// Succeeds only if the user has `permission`, such as `blog.add_post`. Superusers have every permission. One round
    /// trip to the database each time, none for superusers.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] (403) without the permission; [`ErrorKind::Unavailable`] (503) if the database fails.
    pub async fn require_perm(&self, permission: &str) -> Result<(), Error> {
        self.session.require_perm(&self.user, permission).await
    }

    /// The user's permissions, as `app.codename`. One round trip to the database.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] (503) if the database fails.
    pub async fn permissions(&self) -> Result<BTreeSet<String>, Error> {
        self.session.permissions(&self.user).await
    }

    /// The names of the user's groups, in order. One round trip to the database.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] (503) if the database fails.
    pub async fn groups(&self) -> Result<Vec<String>, Error> {
        self.session.groups(&self.user).await
    }
}

impl<U> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.user
    }
}

impl<U: AuthUser> AsUser for CurrentUser<U> {
    type User = U;

    fn as_user(&self) -> &U {
        &self.user
    }
}
