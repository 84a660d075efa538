//! The extractors of the signed-in user.

use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use shared_session::{
    ErrorKind,
    users::{self, AsUser, AuthUser, User},
};

use crate::{Rejection, Session};

/// The signed-in user, checked against the users' table, and the session: a [`User`], or a `CurrentUser<Account>` if
/// the manager's [users](shared_session::SessionManager::with_users) are of your type `Account`.
///
/// Costs one SELECT per request, or none with a [user cache](shared_session::users::UserCache), besides loading the
/// session.
///
/// Rejects with [`ErrorKind::Unauthenticated`] (401) if no user is signed in, with [`ErrorKind::Unavailable`] (503) if
/// the store or the database fails, and with [`ErrorKind::Config`] (500) if the manager's users are of another type.
/// `Option<CurrentUser>` is `None` for anonymous visitors.
///
/// ```
/// use shared_session_axum::{CurrentUser, Rejection};
///
/// async fn publish(user: CurrentUser) -> Result<String, Rejection> {
///     user.require_perm("blog.add_post").await?;
///     Ok(format!("published by {}", user.username))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser<U = User>(users::CurrentUser<U>);

impl<U: AuthUser> CurrentUser<U> {
    /// The user without the session.
    #[must_use]
    pub fn into_user(self) -> U {
        self.0.into_user()
    }
}

/// For tests that call a handler without a server.
impl<U> From<users::CurrentUser<U>> for CurrentUser<U> {
    fn from(user: users::CurrentUser<U>) -> Self {
        Self(user)
    }
}

impl<U> Deref for CurrentUser<U> {
    type Target = users::CurrentUser<U>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<U: AuthUser> AsUser for CurrentUser<U> {
    type User = U;

    fn as_user(&self) -> &U {
        self.0.as_user()
    }
}

impl<S: Send + Sync, U: AuthUser + Clone> FromRequestParts<S> for CurrentUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let session = Session::load(parts).await?.into_inner();
        Ok(Self(users::CurrentUser::of(session).await?))
    }
}

impl<S: Send + Sync, U: AuthUser + Clone> OptionalFromRequestParts<S> for CurrentUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        allowed(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

/// The signed-in user, or `None`: for public pages.
///
/// Has the cost and the type parameter of [`CurrentUser`]. Rejects only if the store or the database fails, the session
/// cannot be read, or the manager's users are of another type.
///
/// ```
/// use shared_session_axum::MaybeUser;
///
/// async fn home(MaybeUser(user): MaybeUser) -> String {
///     user.map_or("Hello, stranger".to_owned(), |user| format!("Hello, {}", user.username))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct MaybeUser<U = User>(
    /// The user, if one is signed in.
    pub Option<U>,
);

impl<S: Send + Sync, U: AuthUser + Clone> FromRequestParts<S> for MaybeUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Self(Session::load(parts).await?.user_as().await?))
    }
}

/// The signed-in user, if [staff](AuthUser::is_staff): a [`CurrentUser`].
///
/// Staff decide about other users, so the session bypasses a near cache and the user bypasses a user cache: one round
/// trip each. A session that is already loaded is not read again, so extract this one first.
///
/// Rejects as [`CurrentUser`], and with [`ErrorKind::Forbidden`] (403) if the user is not staff. `Option<StaffUser>` is
/// `None` for all other visitors.
///
/// ```
/// use shared_session_axum::StaffUser;
///
/// async fn overview(staff: StaffUser) -> String {
///     format!("for staff alone: {}", staff.username)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct StaffUser<U = User>(CurrentUser<U>);

impl<U> StaffUser<U> {
    /// The user without this wrapper.
    #[must_use]
    pub fn into_inner(self) -> CurrentUser<U> {
        self.0
    }
}

impl<U> Deref for StaffUser<U> {
    type Target = CurrentUser<U>;

    fn deref(&self) -> &CurrentUser<U> {
        &self.0
    }
}

impl<U: AuthUser> AsUser for StaffUser<U> {
    type User = U;

    fn as_user(&self) -> &U {
        self
    }
}

impl<S: Send + Sync, U: AuthUser + Clone> FromRequestParts<S> for StaffUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let session = Session::load_fresh(parts).await?.into_inner();
        Ok(Self(CurrentUser(users::CurrentUser::staff_of(session).await?)))
    }
}

impl<S: Send + Sync, U: AuthUser + Clone> OptionalFromRequestParts<S> for StaffUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        allowed(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

/// `None` for 401 and 403; other failures stay failures.
fn allowed<T>(result: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
    match result {
        Ok(user) => Ok(Some(user)),
        Err(rejection) if matches!(rejection.kind(), ErrorKind::Unauthenticated | ErrorKind::Forbidden) => Ok(None),
        Err(rejection) => Err(rejection),
    }
}
