//! A WebSocket that closes when the user signs out: `cargo run -p shared-session-axum --example websocket`.
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::{Router, extract::State, response::Response, routing::get, routing::post};
use shared_session::{ErrorKind, Identity, LazySession, SessionStatus, store::MemoryStore};
use shared_session::{csrf::CrossOrigin, tower::CrossOriginLayer};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

pub(crate) fn app(manager: SessionManager, every: Duration) -> Result<Router, shared_session::Error> {
    Ok(Router::new()
        .route(
            "/login",
            post(async |session: Session| Ok::<_, Rejection>(session.login_as(Identity::new("1", "", 0))?)),
        )
        .route("/logout", post(async |session: Session| Ok::<_, Rejection>(session.logout()?)))
        .route("/socket", get(socket))
        // Any page can open a WebSocket with the visitor's cookie. This layer accepts only pages of this origin.
        .layer(CrossOriginLayer::new(CrossOrigin::new(["http://localhost:3000"])?))
        .layer(SessionLayer::new(manager))
        .with_state(every))
}

async fn socket(
    upgrade: WebSocketUpgrade,
    session: Session,
    State(every): State<Duration>,
) -> Result<Response, Rejection> {
    session.identity()?.ok_or(ErrorKind::Unauthenticated)?;
    let session = session.reopen();
    Ok(upgrade.on_upgrade(move |socket| serve(socket, session, every)))
}

/// Echoes messages, and checks periodically whether the visitor is still signed in.
async fn serve(mut socket: WebSocket, session: LazySession, every: Duration) {
    let Ok(session) = session.load().await else { return };
    loop {
        match tokio::time::timeout(every, socket.recv()).await {
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
            Ok(Some(Ok(Message::Text(text)))) => drop(socket.send(Message::Text(text)).await),
            Ok(Some(Ok(_))) | Err(_) => {}
        }
        if !matches!(session.status().await, SessionStatus::Valid | SessionStatus::Rotated | SessionStatus::Unknown(_))
        {
            _ = socket.send(Message::Close(None)).await;
            return;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = SessionManager::new(MemoryStore::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(manager, Duration::from_secs(10))?).await?)
}
