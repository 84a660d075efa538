//! The extractor of the session.

use std::ops::Deref;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header::USER_AGENT};
use futures_util::future::LocalBoxFuture;
use shared_session::{Client, ClientAddress, LazySession, LoadOptions};

use crate::Rejection;

/// The request's session, loaded: a [`shared_session::Session`].
///
/// Costs at most one round trip per request, even if extracted several times, and none for visitors without a cookie.
///
/// Fails with [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) (503) if the store fails.
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
        Ok(Self(lazy_session(request)?.load_with(options(request)).await?))
    }

    /// Bypasses a near cache, unless the session is already loaded.
    #[cfg(feature = "users")]
    pub(crate) async fn load_fresh(request: &HttpRequest) -> Result<Self, Rejection> {
        Ok(Self(lazy_session(request)?.load_with(options(request).past_near_cache()).await?))
    }
}

/// For tests that call a handler without a server.
impl From<shared_session::Session> for Session {
    fn from(session: shared_session::Session) -> Self {
        Self(session)
    }
}

impl Deref for Session {
    type Target = shared_session::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for Session {
    type Error = Rejection;
    type Future = LocalBoxFuture<'static, Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::load(&request).await })
    }
}

pub(crate) fn lazy_session(request: &HttpRequest) -> Result<LazySession, Rejection> {
    request.extensions().get::<LazySession>().cloned().ok_or_else(|| Rejection::missing_middleware(request))
}

fn options(request: &HttpRequest) -> LoadOptions {
    let address = request.extensions().get().map(|ClientAddress(address)| *address);
    let address = address.or_else(|| request.peer_addr().map(|peer| peer.ip()));
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    LoadOptions::new().with_client(Client::new(address, agent))
}
