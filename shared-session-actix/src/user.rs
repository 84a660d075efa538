//! The extractors of the signed-in user.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use shared_session::users::{self, AsUser, AuthUser, User};

use crate::{Rejection, Session};

/// The signed-in user, checked against the users' table, and the session: a [`User`], or a `CurrentUser<Account>` if
/// the manager's [users](shared_session::SessionManager::with_users) are of your type `Account`.
///
/// Costs one SELECT per request, or none with a [user cache](shared_session::users::UserCache), besides loading the
/// session.
///
/// Fails with [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) (401) if no user is signed in, with
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) (503) if the store or the database fails, and with
/// [`ErrorKind::Config`](crate::ErrorKind::Config) (500) if the manager's users are of another type.
///
/// ```
/// use shared_session_actix::{CurrentUser, Rejection};
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

impl<U: AuthUser + Clone> CurrentUser<U> {
    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        let session = Session::load(request).await?.into_inner();
        Ok(Self(users::CurrentUser::of(session).await?))
    }
}

/// The signed-in user, or `None`: for public pages.
///
/// Has the cost and the type parameter of [`CurrentUser`]. Fails only if the store or the database fails, the session
/// cannot be read, or the manager's users are of another type. Prefer it to `Option<CurrentUser>`, which Actix Web
/// makes `None` after any error.
///
/// ```
/// use shared_session_actix::MaybeUser;
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

impl<U: AuthUser + Clone> MaybeUser<U> {
    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        Ok(Self(Session::load(request).await?.user_as().await?))
    }
}

/// The signed-in user, if [staff](AuthUser::is_staff): a [`CurrentUser`].
///
/// Staff decide about other users, so the session bypasses a near cache and the user bypasses a user cache: one round
/// trip each. A session that is already loaded is not read again, so extract this one first.
///
/// Fails as [`CurrentUser`], and with [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) (403) if the user is
/// not staff.
///
/// ```
/// use shared_session_actix::StaffUser;
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

impl<U: AuthUser + Clone> StaffUser<U> {
    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        let session = Session::load_fresh(request).await?.into_inner();
        Ok(Self(CurrentUser(users::CurrentUser::staff_of(session).await?)))
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

macro_rules! from_request {
    ($($extractor:ident),+) => {$(
        impl<U: AuthUser + Clone> FromRequest for $extractor<U> {
            type Error = Rejection;
            type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move { Self::load(&request).await })
            }
        }
    )+};
}

from_request!(CurrentUser, MaybeUser, StaffUser);
