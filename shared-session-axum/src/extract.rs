//! The extractor of the session.

use std::{net::IpAddr, ops::Deref};

use axum_core::extract::FromRequestParts;
use http::{header::USER_AGENT, request::Parts};
use shared_session::{Client, ClientAddress, LazySession, LoadOptions};

use crate::Rejection;

/// The request's session, loaded: a [`shared_session::Session`].
///
/// Costs at most one round trip per request, even if extracted several times, and none for visitors without a cookie.
///
/// Rejects with [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) (503) if the store fails.
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
        Ok(Self(lazy_session(parts)?.load_with(options(parts)).await?))
    }

    /// Bypasses a near cache, unless the session is already loaded.
    #[cfg(feature = "users")]
    pub(crate) async fn load_fresh(parts: &Parts) -> Result<Self, Rejection> {
        Ok(Self(lazy_session(parts)?.load_with(options(parts).past_near_cache()).await?))
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

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Self::load(parts).await
    }
}

pub(crate) fn lazy_session(parts: &Parts) -> Result<&LazySession, Rejection> {
    parts.extensions.get::<LazySession>().ok_or_else(|| Rejection::missing_layer(parts))
}

fn options(parts: &Parts) -> LoadOptions {
    let address = parts.extensions.get().map(|ClientAddress(address)| *address).or_else(|| peer(parts));
    let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    LoadOptions::new().with_client(Client::new(address, agent))
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
