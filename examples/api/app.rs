//! The routes, and the layers around them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::Response,
    routing::get,
};
use shared_session::{ClientAddress, Error, tower::CrossOriginLayer};
use shared_session_axum::SessionLayer;
use shared_session_examples::{
    network::{Network, client_address},
    operations::Listener,
    setup::Setup,
};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, timeout::TimeoutLayer};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{account, devices, docs, edge, json, operations, preferences, problem, session};

/// The whole service, bound to `bound`.
///
/// # Errors
/// [`ErrorKind::Config`](shared_session::ErrorKind::Config) for an invalid allowed origin.
pub(crate) fn app(setup: Setup, bound: SocketAddr) -> Result<Router, Error> {
    let cors = cors(&setup, bound);
    let takes_bearer = setup.settings.bearer_tokens;
    let (manager, allowed) = (setup.manager.clone(), setup.cross_origin(bound)?);
    let (manager, allowed) =
        if takes_bearer { (manager.with_bearer_tokens(), allowed.with_bearer_tokens()) } else { (manager, allowed) };
    let (sessions, cross_origin) = (SessionLayer::new(manager), CrossOriginLayer::new(allowed));
    let limit = setup.settings.http.request;
    let trusted: Arc<[Network]> = setup.settings.trusted_proxies.as_slice().into();

    let (routes, document) = routes(&setup.settings.cookie.name).split_for_parts();
    let app = routes
        .with_state(setup)
        .merge(docs::page(if takes_bearer { docs::with_bearer(document) } else { docs::without_bearer(document) }))
        // Each layer from here on wraps the ones before it.
        .layer(DefaultBodyLimit::max(json::MAX_BODY))
        // Inside the session layer, so that a cookie that the handler committed before it panicked is still sent.
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(sessions)
        .layer(from_fn_with_state(trusted, note_client_address))
        // Outside the session layer, so that a refused request costs no store call.
        .layer(cross_origin)
        // Dropping a request does not stop a commit that has begun.
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limit))
        .layer(map_response(problem::finish))
        .layer(from_fn(edge::pass))
        // Outermost, so that pages of the allowed origins can read errors too.
        .layer(cors);
    Ok(app)
}

/// The routes for operators alone, for a listener of their own.
pub(crate) fn of_operators(setup: Setup) -> Router {
    Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .layer(Extension(Listener::Own))
        .with_state(setup)
        .layer(map_response(problem::finish))
        .layer(from_fn(edge::pass))
}

fn routes(cookie: &str) -> OpenApiRouter<Setup> {
    let stored = OpenApiRouter::new()
        .routes(routes!(preferences::preference, preferences::set_preference, preferences::remove_preference))
        .layer(DefaultBodyLimit::max(preferences::MAX_VALUE));
    OpenApiRouter::with_openapi(docs::document(cookie))
        .routes(routes!(account::login))
        .routes(routes!(account::logout))
        .routes(routes!(account::me))
        .routes(routes!(session::session_state))
        .routes(routes!(session::count_visit))
        .routes(routes!(preferences::preferences))
        .merge(stored)
        .routes(routes!(devices::devices, devices::end_other_devices))
        .routes(routes!(devices::end_device))
        .routes(routes!(operations::public))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
}

/// Allows pages of the allowed origins to call with the visitor's cookie.
fn cors(setup: &Setup, bound: SocketAddr) -> CorsLayer {
    let origins = setup.allowed_origins(bound);
    CorsLayer::new()
        .allow_origin(origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok()).collect::<Vec<_>>())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

/// Records the client's address, which behind trusted proxies is not the peer's.
async fn note_client_address(State(trusted): State<Arc<[Network]>>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let forwarded_for = request.headers().get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        let address = client_address(peer.ip(), forwarded_for, &trusted);
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}
