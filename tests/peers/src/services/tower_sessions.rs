//! tower-sessions over its Redis store, with the pool of its README, and axum-login. Hardened: signed cookies with the
//! prefix `__Host-`, and every request extends the session.

use std::convert::Infallible;

use axum::{
    Router,
    extract::Query,
    http::StatusCode,
    routing::{get, post},
};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId};
use time::OffsetDateTime;
use tower_sessions::{Expiry, SessionManagerLayer, cookie::Key};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};

use super::{Ask, KEY, Setup, change_passwords, or_nothing, stored_password};

type Auth = axum_login::AuthSession<Accounts>;
type Answer<T = &'static str> = Result<T, StatusCode>;

#[derive(Clone, Debug)]
struct Account {
    name: String,
    password: String,
}

impl AuthUser for Account {
    type Id = String;
    fn id(&self) -> String {
        self.name.clone()
    }
    fn session_auth_hash(&self) -> &[u8] {
        self.password.as_bytes()
    }
}

/// The users, and the maximum lifetime of a session.
#[derive(Clone)]
struct Accounts {
    absolute: Option<time::Duration>,
}

impl AuthnBackend for Accounts {
    type User = Account;
    type Credentials = String;
    type Error = Infallible;
    async fn authenticate(&self, name: String) -> Result<Option<Account>, Infallible> {
        self.get_user(&name).await
    }
    async fn get_user(&self, name: &UserId<Self>) -> Result<Option<Account>, Infallible> {
        Ok(Some(Account { name: name.clone(), password: stored_password(name) }))
    }
}

pub async fn router(url: &str, setup: Setup) -> Router {
    let pool = Pool::new(Config::from_url(url).unwrap(), None, None, None, 6).unwrap();
    pool.connect();
    pool.wait_for_connect().await.unwrap();
    let in_time = |time: std::time::Duration| time::Duration::try_from(time).unwrap();
    let idle = setup.idle.map_or(time::Duration::days(14), in_time);
    let layer = SessionManagerLayer::new(RedisStore::new(pool)).with_expiry(Expiry::OnInactivity(idle));
    let accounts = Accounts { absolute: setup.absolute.filter(|_| setup.hardened).map(in_time) };
    let routes = Router::new()
        .route("/read", get(read))
        .route("/write", post(write))
        .route("/big", post(big))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/whoami", get(whoami))
        .route("/password", post(async || change_passwords()));
    if setup.hardened {
        let layer = layer.with_name("__Host-id").with_always_save(true).with_signed(Key::from(&KEY));
        routes.layer(AuthManagerLayerBuilder::new(accounts, layer).build())
    } else {
        routes.layer(AuthManagerLayerBuilder::new(accounts, layer).build())
    }
}

/// Answers an error of the store like the examples of tower-sessions.
fn failed<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn read(auth: Auth, Query(ask): Query<Ask>) -> Answer<String> {
    Ok(or_nothing(auth.session.get(&ask.name).await.map_err(failed)?))
}

async fn write(auth: Auth, Query(ask): Query<Ask>) -> Answer<String> {
    let before = or_nothing(auth.session.get(&ask.name).await.map_err(failed)?);
    ask.pause().await;
    auth.session.insert(&ask.name, &ask.value).await.map_err(failed)?;
    Ok(before)
}

async fn big(auth: Auth, Query(ask): Query<Ask>) -> Answer {
    auth.session.insert("big", "x".repeat(ask.size)).await.map_err(failed)?;
    Ok("done")
}

async fn login(mut auth: Auth, Query(ask): Query<Ask>) -> Answer {
    let user = auth.authenticate(ask.user).await.map_err(failed)?.ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(failed)?;
    if let Some(absolute) = auth.backend.absolute {
        auth.session.set_expiry(Some(Expiry::AtDateTime(OffsetDateTime::now_utc() + absolute)));
    }
    Ok("done")
}

async fn logout(mut auth: Auth) -> Answer {
    auth.logout().await.map_err(failed)?;
    Ok("done")
}

async fn whoami(auth: Auth) -> String {
    or_nothing(auth.user.map(|user| user.name))
}
