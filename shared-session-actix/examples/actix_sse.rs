//! Server-sent events that stop when the user signs out: `cargo run -p shared-session-actix --example actix_sse`.
use std::{convert::Infallible, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use futures_util::stream;
use shared_session::{ErrorKind, Identity, LazySession, SessionManager, SessionStatus, store::MemoryStore};
use shared_session_actix::{Rejection, Session, SessionMiddleware};

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    let logout = async |session: Session| Ok::<_, Rejection>(session.logout().map(|()| "signed out")?);
    app.route("/login", web::post().to(login))
        .route("/logout", web::post().to(logout))
        .route("/events", web::get().to(events));
}

async fn login(session: Session) -> Result<impl Responder, Rejection> {
    session.login_as(Identity::new("1", "", 0))?;
    Ok("signed in")
}

/// When its stream ends, a browser reconnects with its current cookie. The 401 makes it stop.
async fn events(session: Session, every: web::Data<Duration>) -> Result<HttpResponse, Rejection> {
    session.identity()?.ok_or(ErrorKind::Unauthenticated)?;
    // The request ends with the head of its response; code that outlives it reopens the session.
    let events = stream::unfold(session.reopen(), move |session| {
        let every = every.clone();
        async move {
            tokio::time::sleep(**every).await;
            Some((next(&session).await?, session))
        }
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(events)))
}

/// The next event; `None` once the session is no longer valid.
async fn next(session: &LazySession) -> Option<Result<web::Bytes, Infallible>> {
    match session.load().await.ok()?.status().await {
        SessionStatus::Valid | SessionStatus::Rotated => Some(Ok("data: news\n\n".into())),
        // The store does not answer: send nothing new, and try again.
        SessionStatus::Unknown(_) => Some(Ok(": wait\n\n".into())),
        _ => None,
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let (manager, every) = (SessionManager::new(MemoryStore::new()), web::Data::new(Duration::from_secs(10)));
    let app = move || {
        let sessions = SessionMiddleware::new(manager.clone());
        App::new().app_data(every.clone()).configure(routes).wrap(sessions)
    };
    HttpServer::new(app).bind("127.0.0.1:3001")?.run().await
}
