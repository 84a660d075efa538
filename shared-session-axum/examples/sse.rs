//! Server-sent events that stop when the user signs out: `cargo run -p shared-session-axum --example sse`.
use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
    routing::{get, post},
};
use futures_util::{Stream, stream};
use shared_session::{ErrorKind, Identity, LazySession, SessionStatus, store::MemoryStore};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

pub(crate) fn app(manager: SessionManager, every: Duration) -> Router {
    Router::new()
        .route(
            "/login",
            post(async |session: Session| Ok::<_, Rejection>(session.login_as(Identity::new("1", "", 0))?)),
        )
        .route("/logout", post(async |session: Session| Ok::<_, Rejection>(session.logout()?)))
        .route("/events", get(events))
        .layer(SessionLayer::new(manager))
        .with_state(every)
}

/// When its stream ends, a browser reconnects with its current cookie. The 401 makes it stop.
async fn events(
    session: Session,
    State(every): State<Duration>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Rejection> {
    session.identity()?.ok_or(ErrorKind::Unauthenticated)?;
    // The request ends with the head of its response; code that outlives it reopens the session.
    let events = stream::unfold(session.reopen(), move |session| async move {
        tokio::time::sleep(every).await;
        Some((next(&session).await?, session))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// The next event; `None` once the session is no longer valid.
async fn next(session: &LazySession) -> Option<Result<Event, Infallible>> {
    match session.load().await.ok()?.status().await {
        SessionStatus::Valid | SessionStatus::Rotated => Some(Ok(Event::default().data("news"))),
        // The store does not answer: send nothing new, and try again.
        SessionStatus::Unknown(_) => Some(Ok(Event::default().comment("wait"))),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = SessionManager::new(MemoryStore::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app(manager, Duration::from_secs(10))).await?)
}
