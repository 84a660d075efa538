//! Counts the visits of each visitor: `cargo run -p shared-session-axum --example counter`.
use axum::{Router, routing::get};
use shared_session::store::MemoryStore;
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

pub(crate) fn app() -> Router {
    let manager = SessionManager::new(MemoryStore::new());
    Router::new().route("/", get(visits)).layer(SessionLayer::new(manager))
}

/// Two simultaneous requests count as two visits: the closure runs again on the other request's result.
async fn visits(session: Session) -> Result<String, Rejection> {
    let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
    Ok(format!("visit number {visits}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://localhost:3000/");
    Ok(axum::serve(listener, app()).await?)
}
