//! axum_session over its Redis pool; a sign-in renews the session and stores the user's name. Hardened: sessions only
//! for visitors with data to store, no cache in the process, a signed `Secure` cookie with the prefix `__Host-`, and
//! encrypted storage.

use axum::{
    Router,
    extract::Query,
    routing::{get, post},
};
use axum_session::{IdGenerator, Key, SessionConfig, SessionLayer, SessionMode, SessionStore};
use axum_session_redispool::SessionRedisPool;
use redis_pool::RedisPool;

use super::{Ask, KEY, Setup, change_passwords, or_nothing};

type Session = axum_session::Session<SessionRedisPool>;

/// Identifiers of 128 random bits.
#[derive(Debug)]
struct LongId;

impl IdGenerator for LongId {
    fn generate(&self) -> String {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub async fn router(url: &str, setup: Setup) -> Router {
    let pool = RedisPool::from(redis::Client::open(url).unwrap());
    let mut config = SessionConfig::default();
    if let Some(idle) = setup.idle {
        config = config.with_lifetime(time::Duration::try_from(idle).unwrap());
    }
    if setup.hardened {
        config = config
            .with_id_generator(LongId)
            .with_mode(SessionMode::OptIn)
            .with_memory_lifetime(time::Duration::ZERO)
            .with_session_name("__Host-session")
            .with_store_name("__Host-store")
            .with_secure(true)
            .with_key(Key::from(&KEY))
            .with_database_key(Key::from(&KEY));
    }
    let store = SessionStore::<SessionRedisPool>::new(Some(pool.into()), config).await.unwrap();
    Router::new()
        .route("/read", get(read))
        .route("/write", post(write))
        .route("/big", post(big))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/whoami", get(whoami))
        .route("/password", post(async || change_passwords()))
        .layer(SessionLayer::new(store))
}

async fn read(session: Session, Query(ask): Query<Ask>) -> String {
    or_nothing(session.get(&ask.name))
}

async fn write(session: Session, Query(ask): Query<Ask>) -> String {
    let before = or_nothing(session.get(&ask.name));
    ask.pause().await;
    session.set_store(true);
    session.set(&ask.name, ask.value);
    before
}

async fn big(session: Session, Query(ask): Query<Ask>) {
    session.set_store(true);
    session.set("big", "x".repeat(ask.size));
}

async fn login(session: Session, Query(ask): Query<Ask>) {
    session.renew();
    session.set_store(true);
    session.set("user", ask.user);
}

async fn logout(session: Session) {
    session.destroy();
}

async fn whoami(session: Session) -> String {
    or_nothing(session.get("user"))
}
