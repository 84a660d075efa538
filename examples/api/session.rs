//! The session itself, and the visit counter that `site` uses too.

use std::{convert::Infallible, net::IpAddr};

use axum::{Json, extract::FromRequestParts, http::request::Parts};
use serde::Serialize;
use shared_session::ClientAddress;
use shared_session_axum::Session;
use shared_session_examples::{VISITS, setup::Setup, throttles::Throttles, times::timestamp};
use utoipa::ToSchema;

use crate::problem::{ApiError, Fails, Problem, ReadFails, WriteFails};

/// Limits the number of sessions that an address starts. Extraction costs nothing.
pub(crate) struct MayStart {
    throttles: Throttles,
    address: Option<IpAddr>,
}

impl FromRequestParts<Setup> for MayStart {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, setup: &Setup) -> Result<Self, Infallible> {
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        Ok(Self { throttles: setup.throttles.clone(), address })
    }
}

impl MayStart {
    /// Refuses with 429 to start one more session. Costs one or two round trips if `session` does not exist yet,
    /// otherwise none.
    pub(crate) async fn check(&self, session: &Session) -> Result<(), ApiError> {
        match self.throttles.new_session(session, self.address).await? {
            None => Ok(()),
            Some(wait) => Err(Problem::too_many(wait).into()),
        }
    }
}

/// A session, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionState {
    /// Whether a user is signed in.
    authenticated: bool,
    /// The session's public name; null while there is no session.
    #[schema(required = true)]
    handle: Option<String>,
    /// When the session started; null while there is none.
    #[schema(required = true, format = DateTime)]
    created_at: Option<String>,
    /// When the session ends unless it is used; null while there is none.
    #[schema(required = true, format = DateTime)]
    expires_at: Option<String>,
    /// The visit counter.
    visits: u64,
}

/// The visit counter.
#[derive(Serialize, ToSchema)]
pub(crate) struct Visits {
    /// The number that is stored now.
    #[schema(minimum = 1)]
    visits: u64,
}

/// The session
///
/// Never starts one.
#[utoipa::path(
    get,
    path = "/api/session",
    tag = "session",
    security((), ("session" = [])),
    responses((status = 200, description = "The session, or that there is none", body = SessionState), ReadFails)
)]
pub(crate) async fn session_state(session: Session) -> Result<Json<SessionState>, ApiError> {
    Ok(Json(SessionState {
        authenticated: session.user().await?.is_some(),
        handle: session.handle().map(|handle| handle.to_string()),
        created_at: session.created_at().map(timestamp),
        expires_at: session.expires_at().map(timestamp),
        visits: session.get(VISITS)?.unwrap_or_default(),
    }))
}

/// Count a visit
///
/// Adds one and answers the number that was stored, so that no two answers are equal. Starts a session if there is
/// none.
#[utoipa::path(
    post,
    path = "/api/visits",
    tag = "session",
    security((), ("session" = [])),
    responses((status = 200, description = "Counted", body = Visits), Fails<429>, WriteFails)
)]
pub(crate) async fn count_visit(session: Session, starts: MayStart) -> Result<Json<Visits>, ApiError> {
    starts.check(&session).await?;
    session.update_or(VISITS, 0, |visits| visits.saturating_add(1))?;
    // Another request may have been faster: the stored number is known only after the commit.
    session.commit().await?;
    Ok(Json(Visits { visits: session.get(VISITS)?.unwrap_or_default() }))
}
