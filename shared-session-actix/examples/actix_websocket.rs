//! A WebSocket that closes when the user signs out: `cargo run -p shared-session-actix --example actix_websocket`.
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::{Message, MessageStream};
use shared_session::{ErrorKind, Identity, LazySession, SessionStatus, csrf::CrossOrigin, store::MemoryStore};
use shared_session_actix::{CrossOriginMiddleware, Rejection, Session, SessionManager, SessionMiddleware};

pub(crate) fn routes(app: &mut web::ServiceConfig, manager: &SessionManager, pages: CrossOrigin, every: Duration) {
    let login =
        async |session: Session| Ok::<_, Rejection>(session.login_as(Identity::new("1", "", 0)).map(|()| "in")?);
    let logout = async |session: Session| Ok::<_, Rejection>(session.logout().map(|()| "out")?);
    let scope = web::scope("")
        .app_data(web::Data::new(every))
        .route("/login", web::post().to(login))
        .route("/logout", web::post().to(logout))
        .route("/socket", web::get().to(socket))
        // Any page can open a WebSocket with the visitor's cookie. This middleware accepts only pages of this origin.
        .wrap(CrossOriginMiddleware::new(pages))
        .wrap(SessionMiddleware::new(manager.clone()));
    app.service(scope);
}

async fn socket(
    request: HttpRequest,
    body: web::Payload,
    session: Session,
    every: web::Data<Duration>,
) -> actix_web::Result<HttpResponse> {
    session.identity().map_err(Rejection::from)?.ok_or(Rejection::from(ErrorKind::Unauthenticated))?;
    let (response, socket, messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(serve(socket, messages, session.reopen(), **every));
    Ok(response)
}

/// Echoes messages, and checks periodically whether the visitor is still signed in.
async fn serve(mut socket: actix_ws::Session, mut messages: MessageStream, session: LazySession, every: Duration) {
    let Ok(session) = session.load().await else { return };
    loop {
        match tokio::time::timeout(every, messages.recv()).await {
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => break,
            Ok(Some(Ok(Message::Text(text)))) => drop(socket.text(text).await),
            Ok(Some(Ok(Message::Ping(payload)))) => drop(socket.pong(&payload).await),
            Ok(Some(Ok(_))) | Err(_) => {}
        }
        if !matches!(session.status().await, SessionStatus::Valid | SessionStatus::Rotated | SessionStatus::Unknown(_))
        {
            break;
        }
    }
    _ = socket.close(None).await;
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (manager, pages) = (SessionManager::new(MemoryStore::new()), CrossOrigin::new(["http://localhost:3001"])?);
    let app = move || App::new().configure(|app| routes(app, &manager, pages.clone(), Duration::from_secs(10)));
    Ok(HttpServer::new(app).bind("127.0.0.1:3001")?.run().await?)
}
