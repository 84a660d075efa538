//! actix-session over its Redis store, with the connection that it opens itself.

use actix_session::{Session, SessionMiddleware, storage::RedisSessionStore};
use actix_web::{Result, cookie::Key, web};

pub fn actix_session(url: &str) {
    actix_web::rt::System::new().block_on(async {
        let store = RedisSessionStore::new(url).await.unwrap();
        let key = Key::generate();
        super::super::actix!(move || {
            actix_web::App::new()
                .wrap(SessionMiddleware::new(store.clone(), key.clone()))
                .route("/untouched", web::post().to(async || "done"))
                .route("/start/{size}", web::post().to(start))
                .route("/read", web::post().to(read))
                .route("/increment", web::post().to(increment))
                .route("/rotation", web::post().to(rotation))
        });
    });
}

async fn start(session: Session, size: web::Path<usize>) -> Result<&'static str> {
    session.insert("visits", 1)?;
    session.insert("text", super::super::text(*size))?;
    Ok("done")
}

fn visits(session: &Session) -> Result<u64> {
    Ok(session.get("visits")?.unwrap_or_default())
}

async fn read(session: Session) -> Result<String> {
    Ok(visits(&session)?.to_string())
}

async fn increment(session: Session) -> Result<String> {
    let visits = visits(&session)? + 1;
    session.insert("visits", visits)?;
    Ok(visits.to_string())
}

async fn rotation(session: Session) -> Result<&'static str> {
    session.renew();
    session.insert("user", 42)?;
    Ok("done")
}
