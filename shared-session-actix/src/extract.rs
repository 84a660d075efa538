use std::ops::Deref;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header::USER_AGENT};
use futures_util::future::LocalBoxFuture;
use shared_session::{Client, ClientAddress, LazySession, LoadOptions};
#[cfg(feature = "users")]
use shared_session::{ErrorKind, users::User};

use crate::Rejection;

/// The request's session, loaded: a [`shared_session::Session`].
///
/// Costs at most one round trip for a request, however often it is taken, and none for visitors without a cookie.
///
/// Fails with [`ErrorKind::Unavailable`] (503) if the store fails.
///
/// ```
/// use shared_session_actix::{Rejection, Session};
///
/// async fn set_theme(session: Session, theme: String) -> Result<String, Rejection> {
///     session.insert("theme", &theme)?;
///     Ok(theme)
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

    pub(crate) async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        Ok(Self(handle(request)?.load_with(options(request)).await?))
    }
}

impl Deref for Session {
    type Target = shared_session::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(feature = "users")]
/// The signed-in user, checked against the users' table, and the session: a [`User`].
///
/// Costs one SELECT for a request, besides loading the session.
///
/// Fails with [`ErrorKind::Unauthenticated`] (401) if nobody is signed in, and with [`ErrorKind::Unavailable`] (503) if
/// the store or the database fails.
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

    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        let session = Session::load(request).await?;
        let user = session.require_user().await?;
        Ok(Self { user, session })
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
/// The signed-in user, or `None`: for pages that everybody may see.
///
/// Costs as much as [`CurrentUser`]. Fails only if the store or the database fails, or the session cannot be read.
/// Prefer it to `Option<CurrentUser>`, which Actix Web makes `None` after any error.
#[derive(Clone, Debug)]
pub struct MaybeUser(
    /// The user, if one is signed in.
    pub Option<User>,
);

#[cfg(feature = "users")]
impl MaybeUser {
    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        let session = Session::load(request).await?;
        Ok(Self(session.user().await?))
    }
}

#[cfg(feature = "users")]
/// The signed-in user, who is staff: a [`CurrentUser`].
///
/// Staff decide about others, so the session is read past a near cache: one round trip. That is so only if nothing has
/// loaded the session before, so take this one first.
///
/// Fails as [`CurrentUser`], and with [`ErrorKind::Forbidden`] (403) if the user is not staff.
#[derive(Clone, Debug)]
pub struct StaffUser(CurrentUser);

#[cfg(feature = "users")]
impl StaffUser {
    /// The user without this wrapper.
    #[must_use]
    pub fn into_inner(self) -> CurrentUser {
        self.0
    }

    async fn load(request: &HttpRequest) -> Result<Self, Rejection> {
        handle(request)?.load_with(options(request).past_near_cache()).await?;
        let user = CurrentUser::load(request).await?;
        if user.is_staff { Ok(Self(user)) } else { Err(ErrorKind::Forbidden.into()) }
    }
}

#[cfg(feature = "users")]
impl Deref for StaffUser {
    type Target = CurrentUser;

    fn deref(&self) -> &CurrentUser {
        &self.0
    }
}

macro_rules! from_request {
    ($($extractor:ident),+) => {$(
        impl FromRequest for $extractor {
            type Error = Rejection;
            type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move { Self::load(&request).await })
            }
        }
    )+};
}

from_request!(Session);
#[cfg(feature = "users")]
from_request!(CurrentUser, MaybeUser, StaffUser);

fn handle(request: &HttpRequest) -> Result<LazySession, Rejection> {
    request.extensions().get::<LazySession>().cloned().ok_or_else(|| Rejection::missing_middleware(request))
}

fn options(request: &HttpRequest) -> LoadOptions {
    let address = request.extensions().get().map(|ClientAddress(address)| *address);
    let address = address.or_else(|| request.peer_addr().map(|peer| peer.ip()));
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    LoadOptions::new().from_client(Client::new(address, agent))
}
