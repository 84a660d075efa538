//! Other session layers, as their documentation configures them. None keeps an index of a user's sessions.

mod actix_session;
mod axum_session;
mod ruts;
mod tower_sessions;

pub use actix_session::actix_session;
pub use axum_session::axum_session;
pub use ruts::ruts;
pub use tower_sessions::tower_sessions;

use axum::http::StatusCode;

type Answer = Result<String, StatusCode>;

/// What failed does not matter here: the load stops at it.
fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

fn done() -> Answer {
    Ok("done".to_owned())
}
