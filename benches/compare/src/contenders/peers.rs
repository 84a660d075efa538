//! Other session layers, configured as in their documentation. None of them keeps an index of a user's sessions.

mod actix_session;
mod axum_session;
mod ruts;
mod tower_sessions;

pub use actix_session::actix_session;
pub use axum_session::axum_session;
pub use ruts::ruts;
pub use tower_sessions::tower_sessions;

use axum::{Router, handler::Handler, http::StatusCode, routing::post};

type Answer = Result<String, StatusCode>;

/// The kind of error does not matter: the load stops at any.
fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

fn done() -> Answer {
    Ok("done".to_owned())
}

/// The routes of a contender on Axum, without its layer.
fn router<A: 'static, B: 'static, C: 'static, D: 'static>(
    start: impl Handler<A, ()>,
    read: impl Handler<B, ()>,
    increment: impl Handler<C, ()>,
    rotation: impl Handler<D, ()>,
) -> Router {
    Router::new()
        .route("/untouched", post(async || "done"))
        .route("/start/{size}", post(start))
        .route("/read", post(read))
        .route("/increment", post(increment))
        .route("/rotation", post(rotation))
}
