//! axum_session over its Redis pool. It answers from a cache in the process, which does not learn of changes by other
//! processes, and writes an unchanged session at most every ten seconds.

use axum::{Router, extract::Path};
use axum_session::{SessionConfig, SessionLayer, SessionStore};
use axum_session_redispool::SessionRedisPool;
use redis_pool::RedisPool;

use super::{Answer, done, router};

type Session = axum_session::Session<SessionRedisPool>;

pub async fn axum_session(url: &str) -> Router {
    let pool = RedisPool::from(redis::Client::open(url).unwrap());
    let store = SessionStore::<SessionRedisPool>::new(Some(pool.into()), SessionConfig::default()).await.unwrap();
    router(start, read, increment, rotation).layer(SessionLayer::new(store))
}

async fn start(session: Session, Path(size): Path<usize>) -> Answer {
    session.set("visits", 1);
    session.set("text", super::super::text(size));
    done()
}

fn visits(session: &Session) -> u64 {
    session.get("visits").unwrap_or_default()
}

async fn read(session: Session) -> Answer {
    Ok(visits(&session).to_string())
}

async fn increment(session: Session) -> Answer {
    let visits = visits(&session) + 1;
    session.set("visits", visits);
    Ok(visits.to_string())
}

async fn rotation(session: Session) -> Answer {
    session.renew();
    session.set("user", 42);
    done()
}
