//! A message that the next page shows once: `cargo run -p shared-session-axum --example flash`.
use axum::{
    Router,
    response::{Html, Redirect},
    routing::{get, post},
};
use shared_session::{Key, store::MemoryStore};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

const FLASH: Key<String> = Key::new("flash");

pub(crate) fn app() -> Router {
    let manager = SessionManager::new(MemoryStore::new());
    Router::new().route("/", get(page)).route("/save", post(save)).layer(SessionLayer::new(manager))
}

/// Leaves a message, and redirects the visitor to a page that can be reloaded.
async fn save(session: Session) -> Result<Redirect, Rejection> {
    session.insert(FLASH, "Saved.")?;
    Ok(Redirect::to("/"))
}

/// HEAD shows and removes nothing: `take` would be an error there.
async fn page(session: Session) -> Result<Html<String>, Rejection> {
    let message = if session.is_read_only() { None } else { session.take(FLASH)? };
    let message = message.map(|text| format!("<p role=\"status\">{text}</p>")).unwrap_or_default();
    Ok(Html(format!("{message}<form method=\"post\" action=\"/save\"><button>Save</button></form>")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()).await?)
}
