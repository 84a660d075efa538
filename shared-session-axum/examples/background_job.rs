//! A job that outlives its request and leaves its result in the session:
//! `cargo run -p shared-session-axum --example background_job`.
use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use shared_session::{Error, Key, LazySession, store::MemoryStore};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

const REPORT: Key<String> = Key::new("report");

pub(crate) fn app() -> Router {
    Router::new()
        .route("/report", post(start))
        .route("/report", get(show))
        .layer(SessionLayer::new(SessionManager::new(MemoryStore::new())))
}

/// The request stores that the job runs. The job waits until that is committed, because it reopens the session.
async fn start(session: Session) -> Result<StatusCode, Rejection> {
    session.insert(REPORT, "under way")?;
    let session = session.reopen();
    tokio::spawn(async move {
        // A visitor who signs out meanwhile gets no report: the session no longer exists.
        if let Err(error) = report(&session).await {
            eprintln!("no report: {error}");
        }
    });
    Ok(StatusCode::ACCEPTED)
}

async fn report(session: &LazySession) -> Result<(), Error> {
    let session = session.load().await?;
    let result = tokio::task::spawn_blocking(|| (1..=20_u64).product::<u64>()).await.unwrap_or_default();
    session.insert(REPORT, &format!("20! = {result}"))?;
    // No response commits it.
    session.commit().await
}

async fn show(session: Session) -> Result<String, Rejection> {
    Ok(session.get(REPORT)?.unwrap_or_else(|| "none".to_owned()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()).await?)
}
