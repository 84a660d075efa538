//! ruts over its Redis store, which keeps a session as a hash and writes one field at a time. It needs a server on
//! which fields can expire: Redis 7.4, Valkey 9.

use std::sync::Arc;

use axum::{Router, extract::Path};
use fred::prelude::{Builder, Client, ClientLike, Config};
use ruts::{
    CookieOptions, SessionLayer,
    store::{Ttl, redis::RedisStore},
};
use tower_cookies::CookieManagerLayer;

use super::{Answer, done, failed, router};

type Session = ruts::Session<RedisStore<Client>>;

const LIFETIME: u64 = 14 * 86_400;

pub async fn ruts(url: &str) -> Router {
    let client = Builder::from_config(Config::from_url(url).unwrap()).build().unwrap();
    client.init().await.unwrap();
    let store = RedisStore::new(Arc::new(client)).await.unwrap();
    let cookie = CookieOptions::build()
        .name("session")
        .http_only(true)
        .same_site(ruts::cookie::SameSite::Lax)
        .secure(true)
        .max_age(LIFETIME)
        .path("/");
    router(start, read, increment, rotation)
        .layer(SessionLayer::new(Arc::new(store)).with_cookie_options(cookie))
        .layer(CookieManagerLayer::new())
}

async fn set<T: serde::Serialize + Send + Sync + 'static>(session: &Session, name: &str, value: &T) -> Answer {
    let lifetime = Ttl::new(LIFETIME as i64).map_err(failed)?;
    session.set(name, value, lifetime, None).await.map_err(failed)?;
    done()
}

async fn start(session: Session, Path(size): Path<usize>) -> Answer {
    set(&session, "visits", &1_u64).await?;
    set(&session, "text", &super::super::text(size)).await
}

async fn visits(session: &Session) -> Result<u64, axum::http::StatusCode> {
    Ok(session.get("visits").await.map_err(failed)?.unwrap_or_default())
}

async fn read(session: Session) -> Answer {
    Ok(visits(&session).await?.to_string())
}

async fn increment(session: Session) -> Answer {
    let visits = visits(&session).await? + 1;
    set(&session, "visits", &visits).await?;
    Ok(visits.to_string())
}

async fn rotation(session: Session) -> Answer {
    session.prepare_regenerate();
    set(&session, "user", &42_u64).await
}
