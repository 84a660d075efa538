//! This library, with its defaults.

use actix_web::web;
use axum::{Router, extract::Path, routing::post};
use shared_session::{Error, Identity, NearCache, Profile, Session as Open, SessionManager, store::RedisStore};

/// The user whose sessions are listed.
const USER: &str = "42";

/// `near` is the prefix of the sessions in a near cache. Redis notifies a near cache of every write under its prefix:
/// with a common prefix, the writes of other contenders would keep its process busy.
async fn manager(url: &str, near: Option<&str>) -> SessionManager {
    let store = RedisStore::connect(url).await.unwrap();
    let manager = SessionManager::new(store).with_anonymous_max_size(usize::MAX);
    match near {
        None => manager,
        Some(prefix) => manager.with_profile(Profile::native(prefix)).with_near_cache(NearCache::new()).unwrap(),
    }
}

fn start(session: &Open, size: usize) -> Result<&'static str, Error> {
    session.insert("visits", &1)?;
    session.insert("text", &super::text(size))?;
    Ok("done")
}

fn read(session: &Open) -> Result<String, Error> {
    Ok(session.get::<u64>("visits")?.unwrap_or_default().to_string())
}

fn increment(session: &Open) -> Result<String, Error> {
    Ok(session.update_or("visits", 0, |visits: u64| visits + 1)?.to_string())
}

fn rotation(session: &Open) -> Result<&'static str, Error> {
    session.login_as(Identity::new(USER, "", 0))?;
    Ok("done")
}

async fn devices(manager: &SessionManager) -> Result<String, Error> {
    Ok(manager.sessions_of(USER).await?.len().to_string())
}

pub async fn axum(url: &str, near: Option<&str>) -> Router {
    use shared_session_axum::{Rejection, Session, SessionLayer};
    let manager = manager(url, near).await;
    let of = manager.clone();
    Router::new()
        .route("/untouched", post(async || "done"))
        .route(
            "/start/{size}",
            post(async |session: Session, Path(size): Path<usize>| Ok::<_, Rejection>(start(&session, size)?)),
        )
        .route("/read", post(async |session: Session| Ok::<_, Rejection>(read(&session)?)))
        .route("/increment", post(async |session: Session| Ok::<_, Rejection>(increment(&session)?)))
        .route("/rotation", post(async |session: Session| Ok::<_, Rejection>(rotation(&session)?)))
        .route("/devices", post(async move || devices(&of).await.map_err(|error| error.to_string())))
        .layer(SessionLayer::new(manager))
}

pub fn actix(url: &str, near: Option<&str>) {
    use shared_session_actix::{Rejection, Session, SessionMiddleware};
    actix_web::rt::System::new().block_on(async {
        let manager = manager(url, near).await;
        super::actix!(move || {
            actix_web::App::new()
                .wrap(SessionMiddleware::new(manager.clone()))
                .route("/untouched", web::post().to(async || "done"))
                .route(
                    "/start/{size}",
                    web::post().to(async |session: Session, size: web::Path<usize>| {
                        Ok::<_, Rejection>(start(&session, *size)?)
                    }),
                )
                .route("/read", web::post().to(async |session: Session| Ok::<_, Rejection>(read(&session)?)))
                .route("/increment", web::post().to(async |session: Session| Ok::<_, Rejection>(increment(&session)?)))
                .route("/rotation", web::post().to(async |session: Session| Ok::<_, Rejection>(rotation(&session)?)))
        });
    });
}
