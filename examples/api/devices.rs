//! My devices: the sessions of the signed-in user.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, State},
    http::{
        StatusCode,
        header::{HeaderName, LINK},
        request::Parts,
    },
    response::AppendHeaders,
};
use serde::{Deserialize, Serialize};
use shared_session::Handle;
use shared_session_axum::CurrentUser;
use shared_session_examples::{
    paging::{Paged, paged},
    setup::Setup,
    times::timestamp,
};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{ApiError, Fails, Problem, ReadFails, WriteFails};

/// One session of the user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Device {
    /// The session's public name.
    handle: String,
    /// Whether this request belongs to it.
    current: bool,
    /// Null if another program made the session and did not say.
    #[schema(format = DateTime, required = true)]
    created_at: Option<String>,
    /// Null where the sessions do not say.
    #[schema(format = DateTime, required = true)]
    last_seen_at: Option<String>,
    /// The browser it was started with; null if it did not say.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The network address it was started from.
    #[schema(required = true)]
    address: Option<String>,
}

/// Which part of a long list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// The number of the page, from 1. A number beyond the last is the last.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 4294967295_u64)]
    page: Option<u32>,
}

/// The session that the path names. Rejects with 404 if the name is invalid.
pub(crate) struct Named(Handle);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await.ok();
        let handle = name.and_then(|Path(name)| Handle::parse(&name));
        handle.map(Self).ok_or_else(|| Problem::of(StatusCode::NOT_FOUND))
    }
}

/// My sessions
///
/// The last used comes first; fifty on a page. `Link` says where the next page is.
#[utoipa::path(
    get,
    path = "/api/sessions",
    tag = "devices",
    security(("session" = [])),
    params(Part),
    responses(
        (status = 200, description = "The sessions", body = Vec<Device>,
            headers(("Link" = Option<String>, description = "Where the next page is, if there is one"))),
        Fails<400>, Fails<401>, ReadFails
    )
)]
pub(crate) async fn devices(
    State(setup): State<Setup>,
    user: CurrentUser,
    Query(part): Query<Part>,
) -> Result<(AppendHeaders<Option<(HeaderName, String)>>, Json<Vec<Device>>), ApiError> {
    let current = user.session().handle();
    let sessions = setup.manager.sessions_of(&user.id).await?;
    let Paged { items, page, pages } = paged(sessions, &part.page.unwrap_or(1).to_string());
    let next = (page < pages).then(|| (LINK, format!("</api/sessions?page={}>; rel=\"next\"", page + 1)));
    let devices = items.into_iter().map(|session| Device {
        handle: session.handle.to_string(),
        current: Some(session.handle) == current,
        created_at: session.created_at.map(timestamp),
        last_seen_at: session.last_seen_at.map(timestamp),
        user_agent: session.user_agent,
        address: session.address.map(|address| address.to_string()),
    });
    Ok((AppendHeaders(next), Json(devices.collect())))
}

/// End one of my sessions
///
/// The one at hand, too: that is signing out.
#[utoipa::path(
    delete,
    path = "/api/sessions/{handle}",
    tag = "devices",
    security(("session" = [])),
    params(("handle" = String, Path, description = "Its public name")),
    responses((status = 204, description = "Ended"), Fails<401>, Fails<404>, WriteFails)
)]
pub(crate) async fn end_device(
    State(setup): State<Setup>,
    user: CurrentUser,
    named: Result<Named, Problem>,
) -> Result<StatusCode, ApiError> {
    let Named(handle) = named?;
    if user.session().handle() == Some(handle) {
        user.session().logout()?;
    } else if !setup.manager.revoke(Some(&user.id), &handle).await? {
        return Err(StatusCode::NOT_FOUND.into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// End all my other sessions
///
/// The cookie of the one at hand is replaced.
#[utoipa::path(
    delete,
    path = "/api/sessions",
    tag = "devices",
    security(("session" = [])),
    responses((status = 204, description = "Ended"), Fails<401>, WriteFails)
)]
pub(crate) async fn end_other_devices(State(setup): State<Setup>, user: CurrentUser) -> Result<StatusCode, ApiError> {
    setup.manager.revoke_others(user.session()).await?;
    Ok(StatusCode::NO_CONTENT)
}
