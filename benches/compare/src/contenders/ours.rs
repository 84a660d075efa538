//! This library, with its defaults.

use actix_web::web;
use axum::{Router, routing::post};
use shared_session::{Identity, NearCache, SessionManager, store::RedisStore};
use shared_session_axum::SessionLayer;

async fn manager(url: &str, near: bool) -> SessionManager {
    let store = RedisStore::connect(url).await.unwrap();
    let manager = SessionManager::new(store).with_anonymous_max_size(SessionManager::DEFAULT_MAX_SIZE);
    if near { manager.with_near_cache(NearCache::new()).unwrap() } else { manager }
}

type Result<T> = std::result::Result<T, shared_session::Error>;

fn start(session: &shared_session::Session, large: bool) -> Result<&'static str> {
    session.insert("visits", &1)?;
    session.insert("text", &super::text(large))?;
    Ok("done")
}

fn read(session: &shared_session::Session) -> Result<String> {
    Ok(session.get::<u64>("visits")?.unwrap_or_default().to_string())
}

fn increment(session: &shared_session::Session) -> Result<String> {
    Ok(session.update_or("visits", 0, |visits: u64| visits + 1)?.to_string())
}

fn rotation(session: &shared_session::Session) -> Result<&'static str> {
    session.login_as(Identity::new("42", "", 0))?;
    Ok("done")
}

pub async fn axum(url: &str, near: bool) -> Router {
    use shared_session_axum::{Rejection, Session};
    Router::new()
        .route("/start", post(async |session: Session| Ok::<_, Rejection>(start(&session, false)?)))
        .route("/start-large", post(async |session: Session| Ok::<_, Rejection>(start(&session, true)?)))
        .route("/untouched", post(async || "done"))
        .route("/read", post(async |session: Session| Ok::<_, Rejection>(read(&session)?)))
        .route("/increment", post(async |session: Session| Ok::<_, Rejection>(increment(&session)?)))
        .route("/rotation", post(async |session: Session| Ok::<_, Rejection>(rotation(&session)?)))
        .layer(SessionLayer::new(manager(url, near).await))
}

pub fn actix(url: &str) {
    use shared_session_actix::{Rejection, Session, SessionMiddleware};
    actix_web::rt::System::new().block_on(async {
        let manager = manager(url, false).await;
        super::actix!(move || {
            actix_web::App::new()
                .wrap(SessionMiddleware::new(manager.clone()))
                .route("/start", web::post().to(async |session: Session| Ok::<_, Rejection>(start(&session, false)?)))
                .route(
                    "/start-large",
                    web::post().to(async |session: Session| Ok::<_, Rejection>(start(&session, true)?)),
                )
                .route("/untouched", web::post().to(async || "done"))
                .route("/read", web::post().to(async |session: Session| Ok::<_, Rejection>(read(&session)?)))
                .route("/increment", web::post().to(async |session: Session| Ok::<_, Rejection>(increment(&session)?)))
                .route("/rotation", web::post().to(async |session: Session| Ok::<_, Rejection>(rotation(&session)?)))
        });
    });
}
