//! The routes without a session: a public answer, and those for operators.

use axum::{
    Extension, Json,
    extract::{FromRequestParts, State},
    http::{
        StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared_session_examples::{
    metrics,
    operations::{Access, Listener, access},
    setup::Setup,
};
use utoipa::ToSchema;

use crate::problem::{Fails, Problem};

/// A public answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Greeting {
    message: &'static str,
}

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

/// A client that may read what is for operators only.
pub(crate) struct Operator;

impl FromRequestParts<Setup> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, setup: &Setup) -> Result<Self, Response> {
        let listener = Extension::<Listener>::from_request_parts(parts, setup).await;
        let listener = listener.map(|Extension(listener)| listener).unwrap_or_default();
        let authorization = parts.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        match access(&setup.settings.operations, listener, authorization) {
            Access::Allowed => Ok(Self),
            Access::Elsewhere => Err(Problem::of(StatusCode::NOT_FOUND).into_response()),
            Access::TokenNeeded => {
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "A token is needed.");
                Err(([(WWW_AUTHENTICATE, "Bearer")], problem).into_response())
            }
        }
    }
}

/// A public answer
///
/// Answers also while the session store is down.
#[utoipa::path(
    get,
    path = "/api/public",
    tag = "public",
    responses((status = 200, description = "A greeting", body = Greeting))
)]
pub(crate) async fn public() -> Json<Greeting> {
    Json(Greeting { message: "This is the same for everybody." })
}

/// Whether the service runs
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "It does", body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether everything that the service needs answers
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses((status = 200, description = "It does", body = Health), Fails<401>, Fails<404>, Fails<503>)
)]
pub(crate) async fn readyz(_: Operator, State(setup): State<Setup>) -> Result<Json<Health>, Problem> {
    match setup.down().await {
        down if down.is_empty() => Ok(Json(Health { status: "ready" })),
        down => Err(Problem::not_ready(down, setup.settings.retry_after)),
    }
}

/// Counters and latencies, in the text format of Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, description = "The counters", body = String, content_type = "text/plain"), Fails<401>, Fails<404>
    )
)]
pub(crate) async fn metrics(_: Operator) -> Response {
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
    (headers, metrics::render()).into_response()
}
