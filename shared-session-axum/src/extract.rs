use std::{net::IpAddr, ops::Deref};

use axum_core::extract::FromRequestParts;
#[cfg(feature = "users")]
use axum_core::extract::OptionalFromRequestParts;
use http::{header::USER_AGENT, request::Parts};
use shared_session::{Client, ClientAddress, LazySession, LoadOptions};
#[cfg(feature = "users")]
use shared_session::{ErrorKind, users::User};

use crate::Rejection;

/// The request's session, loaded: a [`shared_session::Session`].
///
/// Costs at most one round trip for a request, however often it is taken, and none for visitors without a cookie.
///
/// Rejects with [`ErrorKind::Unavailable`] (503) if the store fails.
///
/// ```
/// use shared_session_axum::{Rejection, Session};
///
/// async fn set_theme(session: Session, theme: String) -> Result<(), Rejection> {
///     session.insert("theme", &theme)?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session(shared_session::Session);

impl Session {
    /// The session without the wrapper.
    #[must_use]
    pub fn into_inner(self) -> shared_session::Session {
        self.0
    }

    pub(crate) async fn load(parts: &Parts) -> Result<Self, Rejection> {
        Ok(Self(handle(parts)?.load_with(options(parts)).await?))
    }
}

impl Deref for Session {
    type Target = shared_session::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::load(parts).await
    }
}

#[cfg(feature = "users")]
/// The signed-in user, checked against the users' table, and the session: a [`User`].
///
/// Costs one SELECT for a request, besides loading the session.
///
/// Rejects with [`ErrorKind::Unauthenticated`] (401) if nobody is signed in, and with [`ErrorKind::Unavailable`] (503)
/// if the store or the database fails. `Option<CurrentUser>` is `None` for anonymous visitors.
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
pub struct CurrentUser {
    user: User,
    session: Session,
}

#[cfg(feature = "users")]
impl CurrentUser {
    /// The session that the user is signed in to.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The user without the session.
    #[must_use]
    pub fn into_user(self) -> User {
        self.user
    }

    /// Goes on only if the user has `permission`, such as `blog.add_post`. Superusers have every permission. One round
    /// trip to the database each time, none for superusers.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] (403) without the permission; [`ErrorKind::Unavailable`] (503) if the database fails.
    pub async fn require_perm(&self, permission: &str) -> Result<(), Rejection> {
        Ok(self.session.require_perm(self, permission).await?)
    }
}

#[cfg(feature = "users")]
impl Deref for CurrentUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

#[cfg(feature = "users")]
impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let session = Session::from_request_parts(parts, state).await?;
        let user = session.require_user().await?;
        Ok(Self { user, session })
    }
}

#[cfg(feature = "users")]
impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        allowed(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

#[cfg(feature = "users")]
/// The signed-in user, or `None`: for pages that everybody may see.
///
/// Costs as much as [`CurrentUser`]. Rejects only if the store or the database fails, or the session cannot be read.
#[derive(Clone, Debug)]
pub struct MaybeUser(
    /// The user, if one is signed in.
    pub Option<User>,
);

#[cfg(feature = "users")]
impl<S: Send + Sync> FromRequestParts<S> for MaybeUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let session = Session::from_request_parts(parts, state).await?;
        Ok(Self(session.user().await?))
    }
}

#[cfg(feature = "users")]
/// The signed-in user, who is staff: a [`CurrentUser`].
///
/// Staff decide about others, so the session is read past a near cache: one round trip. That is so only if nothing has
/// loaded the session before, so take this one first.
///
/// Rejects as [`CurrentUser`], and with [`ErrorKind::Forbidden`] (403) if the user is not staff. `Option<StaffUser>` is
/// `None` for everybody else.
#[derive(Clone, Debug)]
pub struct StaffUser(CurrentUser);

#[cfg(feature = "users")]
impl StaffUser {
    /// The user without this wrapper.
    #[must_use]
    pub fn into_inner(self) -> CurrentUser {
        self.0
    }
}

#[cfg(feature = "users")]
impl Deref for StaffUser {
    type Target = CurrentUser;

    fn deref(&self) -> &CurrentUser {
        &self.0
    }
}

#[cfg(feature = "users")]
impl<S: Send + Sync> FromRequestParts<S> for StaffUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        handle(parts)?.load_with(options(parts).past_near_cache()).await?;
        let user = <CurrentUser as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        if user.is_staff { Ok(Self(user)) } else { Err(ErrorKind::Forbidden.into()) }
    }
}

#[cfg(feature = "users")]
impl<S: Send + Sync> OptionalFromRequestParts<S> for StaffUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        allowed(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await)
    }
}

#[cfg(feature = "users")]
/// `None` for those who are not allowed; failures stay failures.
fn allowed<T>(result: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
    match result {
        Ok(user) => Ok(Some(user)),
        Err(rejection) if matches!(rejection.kind(), ErrorKind::Unauthenticated | ErrorKind::Forbidden) => Ok(None),
        Err(rejection) => Err(rejection),
    }
}

fn handle(parts: &Parts) -> Result<&LazySession, Rejection> {
    parts.extensions.get::<LazySession>().ok_or_else(|| Rejection::missing_layer(parts))
}

fn options(parts: &Parts) -> LoadOptions {
    let address = parts.extensions.get().map(|ClientAddress(address)| *address).or_else(|| peer(parts));
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    LoadOptions::new().from_client(Client::new(address, agent))
}

#[cfg(feature = "connect-info")]
fn peer(parts: &Parts) -> Option<IpAddr> {
    let axum::extract::ConnectInfo(peer) =
        parts.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()?;
    Some(peer.ip())
}

#[cfg(not(feature = "connect-info"))]
fn peer(_: &Parts) -> Option<IpAddr> {
    None
}
