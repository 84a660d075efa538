//! The service with our layer.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    routing::{future::RouteFuture, post},
};
use shared_session::{
    Identity, NearCache, SessionManager,
    store::{MemoryStore, RedisConfig, RedisStore},
};
use shared_session_axum::{Rejection, Session, SessionLayer};
use shared_session_benches::new_session;
use tower::{layer::util::Identity as NoLayer, util::MapFutureLayer};

use crate::cell::{Cell, Store, What};

/// The service, and the cookie of a session.
pub(crate) async fn service(cell: &Cell, url: &str) -> (Router, String) {
    let manager = match cell.store {
        Store::Memory => SessionManager::new(MemoryStore::new()),
        Store::Redis | Store::Lua => {
            // Everything is slow under Callgrind.
            let patience = Duration::from_secs(30);
            let config = RedisConfig::new().with_response_timeout(patience).with_connect_timeout(patience);
            let store = RedisStore::connect_with(url, &config).await.unwrap();
            let manager = SessionManager::new(store);
            match cell.what {
                What::Near => manager.with_near_cache(NearCache::new()).unwrap(),
                _ => manager,
            }
        }
    };
    let manager = manager.with_anonymous_max_size(usize::MAX);
    let cookie = new_session(&manager, cell.what.size()).await;
    if cell.what == What::Near {
        while manager.stats().near_hits == 0 {
            manager.open([cookie.as_bytes()]).load().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let router = Router::new()
        .route("/untouched", post(async || "done"))
        .route("/read", post(read))
        .route("/increment", post(increment))
        .route("/rotation", post(rotation));
    let router = match cell.what {
        What::AnyLayer => router.layer(NoLayer::new()),
        What::BoxingLayer => router.layer(MapFutureLayer::new(|future: RouteFuture<Infallible>| Box::pin(future))),
        _ => router.layer(SessionLayer::new(manager)),
    };
    (router, cookie)
}

async fn read(session: Session) -> Result<String, Rejection> {
    Ok(session.get::<u64>("visits")?.unwrap_or_default().to_string())
}

async fn increment(session: Session) -> Result<String, Rejection> {
    Ok(session.update_or("visits", 0, |visits: u64| visits + 1)?.to_string())
}

async fn rotation(session: Session) -> Result<&'static str, Rejection> {
    session.login_as(Identity::new("42", "hash-of-the-password-column", 0))?;
    Ok("done")
}
