//! What needs no session: a public answer, and what operators ask for.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared_session_examples::{metrics, setup::Setup};
use utoipa::ToSchema;

use crate::problem::{Fails, Problem};

/// The same for everybody.
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

/// The same for everybody
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
    responses((status = 200, description = "It does", body = Health), Fails<503>)
)]
pub(crate) async fn readyz(State(setup): State<Setup>) -> Result<Json<Health>, Problem> {
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
    responses((status = 200, description = "The counters", body = String, content_type = "text/plain"))
)]
pub(crate) async fn metrics() -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render()).into_response()
}
