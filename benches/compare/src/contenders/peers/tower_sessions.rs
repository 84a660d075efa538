//! tower-sessions over its Redis store, with a pool of six connections as in its README.

use axum::{Router, extract::Path};
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};

use super::{Answer, done, failed, router};

pub async fn tower_sessions(url: &str) -> Router {
    let pool = Pool::new(Config::from_url(url).unwrap(), None, None, None, 6).unwrap();
    pool.connect();
    pool.wait_for_connect().await.unwrap();
    let lifetime = Expiry::OnInactivity(time::Duration::days(14));
    router(start, read, increment, rotation)
        .layer(SessionManagerLayer::new(RedisStore::new(pool)).with_expiry(lifetime))
}

async fn start(session: Session, Path(size): Path<usize>) -> Answer {
    session.insert("visits", 1).await.map_err(failed)?;
    session.insert("text", super::super::text(size)).await.map_err(failed)?;
    done()
}

async fn visits(session: &Session) -> Result<u64, axum::http::StatusCode> {
    Ok(session.get("visits").await.map_err(failed)?.unwrap_or_default())
}

async fn read(session: Session) -> Answer {
    Ok(visits(&session).await?.to_string())
}

async fn increment(session: Session) -> Answer {
    let visits = visits(&session).await? + 1;
    session.insert("visits", visits).await.map_err(failed)?;
    Ok(visits.to_string())
}

async fn rotation(session: Session) -> Answer {
    session.cycle_id().await.map_err(failed)?;
    session.insert("user", 42).await.map_err(failed)?;
    done()
}
