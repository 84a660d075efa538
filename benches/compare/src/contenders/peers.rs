//! Other session layers, as their documentation configures them. None keeps an index of a user's sessions.

use actix_web::web;
use axum::{Router, http::StatusCode, routing::post};

type Answer = Result<String, StatusCode>;

const FAILED: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

pub async fn tower_sessions(url: &str) -> Router {
    use tower_sessions::{Expiry, Session, SessionManagerLayer};
    use tower_sessions_redis_store::{
        RedisStore,
        fred::prelude::{ClientLike, Config, Pool},
    };
    let pool = Pool::new(Config::from_url(url).unwrap(), None, None, None, 6).unwrap();
    pool.connect();
    pool.wait_for_connect().await.unwrap();
    let layer =
        SessionManagerLayer::new(RedisStore::new(pool)).with_expiry(Expiry::OnInactivity(time::Duration::days(14)));
    let start = |large| {
        async move |session: Session| -> Answer {
            session.insert("visits", 1).await.map_err(|_| FAILED)?;
            session.insert("text", super::text(large)).await.map_err(|_| FAILED)?;
            Ok("done".to_owned())
        }
    };
    Router::new()
        .route("/start", post(start(false)))
        .route("/start-large", post(start(true)))
        .route("/untouched", post(async || "done"))
        .route(
            "/read",
            post(async |session: Session| -> Answer {
                let visits = session.get::<u64>("visits").await.map_err(|_| FAILED)?;
                Ok(visits.unwrap_or_default().to_string())
            }),
        )
        .route(
            "/increment",
            post(async |session: Session| -> Answer {
                let visits = session.get::<u64>("visits").await.map_err(|_| FAILED)?.unwrap_or_default() + 1;
                session.insert("visits", visits).await.map_err(|_| FAILED)?;
                Ok(visits.to_string())
            }),
        )
        .route(
            "/rotation",
            post(async |session: Session| -> Answer {
                session.cycle_id().await.map_err(|_| FAILED)?;
                session.insert("user", 42).await.map_err(|_| FAILED)?;
                Ok("done".to_owned())
            }),
        )
        .layer(layer)
}

pub fn actix_session(url: &str) {
    use actix_session::{Session, SessionMiddleware, storage::RedisSessionStore};
    use actix_web::cookie::Key;
    type Answer = actix_web::Result<String>;
    fn start(session: &Session, large: bool) -> Answer {
        session.insert("visits", 1)?;
        session.insert("text", super::text(large))?;
        Ok("done".to_owned())
    }
    actix_web::rt::System::new().block_on(async {
        let store = RedisSessionStore::new(url).await.unwrap();
        let key = Key::generate();
        super::actix!(move || {
            actix_web::App::new()
                .wrap(SessionMiddleware::new(store.clone(), key.clone()))
                .route("/start", web::post().to(async |session: Session| start(&session, false)))
                .route("/start-large", web::post().to(async |session: Session| start(&session, true)))
                .route("/untouched", web::post().to(async || "done"))
                .route(
                    "/read",
                    web::post().to(async |session: Session| -> Answer {
                        Ok(session.get::<u64>("visits")?.unwrap_or_default().to_string())
                    }),
                )
                .route(
                    "/increment",
                    web::post().to(async |session: Session| -> Answer {
                        let visits = session.get::<u64>("visits")?.unwrap_or_default() + 1;
                        session.insert("visits", visits)?;
                        Ok(visits.to_string())
                    }),
                )
                .route(
                    "/rotation",
                    web::post().to(async |session: Session| -> Answer {
                        session.renew();
                        session.insert("user", 42)?;
                        Ok("done".to_owned())
                    }),
                )
        });
    });
}
