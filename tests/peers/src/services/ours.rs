//! This library on both frameworks. With its defaults, and hardened: with the cross-origin check and signed cookies.

use std::borrow::Cow;

use actix_web::web;
use axum::{Router, extract::Query, routing::get, routing::post};
use shared_session::{
    Error, Lifetime, SecretKeys, Session as Open, SessionManager,
    cookie::SignedCookies,
    csrf::CrossOrigin,
    store::RedisStore,
    tower::CrossOriginLayer,
    users::{AuthUser, Users},
};

use super::{Ask, FRESH, KEY, Setup, change_passwords, or_nothing, stored_password};

#[derive(Clone)]
struct Account {
    name: String,
    password: String,
}

impl Account {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), password: stored_password(name) }
    }
}

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        (&self.name).into()
    }
    fn encoded_password(&self) -> &str {
        &self.password
    }
}

struct Accounts;

impl Users for Accounts {
    type User = Account;
    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(Some(Account::named(id)))
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find(name).await
    }
}

async fn manager(url: &str, setup: Setup) -> SessionManager {
    let store = RedisStore::connect(url).await.unwrap();
    let keys = || SecretKeys::new(KEY).unwrap();
    let mut lifetime = Lifetime::default();
    if let Some(idle) = setup.idle {
        lifetime = lifetime.with_idle(idle);
    }
    if let Some(absolute) = setup.absolute {
        lifetime = lifetime.with_absolute(absolute);
    }
    let manager = SessionManager::new(store).with_users(Accounts, keys()).with_lifetime(lifetime);
    if setup.hardened { manager.with_signed_cookies(SignedCookies::new(&keys()).unwrap()).unwrap() } else { manager }
}

fn own_origin() -> CrossOrigin {
    CrossOrigin::new(["https://localhost"]).unwrap()
}

fn read(session: &Open, ask: &Ask) -> Result<String, Error> {
    Ok(or_nothing(session.get(ask.name.as_str())?))
}

async fn write(session: &Open, ask: &Ask) -> Result<String, Error> {
    let before = read(session, ask)?;
    ask.pause().await;
    session.insert(ask.name.as_str(), &ask.value)?;
    Ok(before)
}

fn big(session: &Open, ask: &Ask) -> Result<&'static str, Error> {
    session.insert("big", &"x".repeat(ask.size))?;
    Ok("done")
}

fn login(session: &Open, ask: &Ask) -> Result<&'static str, Error> {
    session.login(&Account::named(&ask.user))?;
    Ok("done")
}

fn logout(session: &Open) -> Result<&'static str, Error> {
    session.logout()?;
    Ok("done")
}

async fn whoami(session: &Open) -> Result<String, Error> {
    Ok(or_nothing(session.user_as::<Account>().await?.map(|account| account.name)))
}

async fn sessions(manager: &SessionManager, session: &Open) -> Result<String, Error> {
    let user = session.require_user_as::<Account>().await?;
    Ok(manager.sessions_of(&user.name).await?.len().to_string())
}

async fn end_others(manager: &SessionManager, session: &Open) -> Result<&'static str, Error> {
    let user = session.require_user_as::<Account>().await?;
    for other in manager.sessions_of(&user.name).await? {
        if Some(&other.handle) != session.handle().as_ref() {
            manager.revoke(Some(&user.name), &other.handle).await?;
        }
    }
    Ok("done")
}

async fn fresh(session: &Open) -> Result<&'static str, Error> {
    session.require_fresh(FRESH).await?;
    Ok("done")
}

pub async fn axum(url: &str, setup: Setup) -> Router {
    use shared_session_axum::{Rejection, Session, SessionLayer};
    type Answer<T = &'static str> = Result<T, Rejection>;
    let manager = manager(url, setup).await;
    let (listing, ending) = (manager.clone(), manager.clone());
    let router = Router::new()
        .route(
            "/read",
            get(async |session: Session, Query(ask): Query<Ask>| -> Answer<String> { Ok(read(&session, &ask)?) }),
        )
        .route(
            "/write",
            post(async |session: Session, Query(ask): Query<Ask>| -> Answer<String> {
                Ok(write(&session, &ask).await?)
            }),
        )
        .route("/big", post(async |session: Session, Query(ask): Query<Ask>| -> Answer { Ok(big(&session, &ask)?) }))
        .route(
            "/login",
            post(async |session: Session, Query(ask): Query<Ask>| -> Answer { Ok(login(&session, &ask)?) }),
        )
        .route("/logout", post(async |session: Session| -> Answer { Ok(logout(&session)?) }))
        .route("/whoami", get(async |session: Session| -> Answer<String> { Ok(whoami(&session).await?) }))
        .route("/password", post(async || change_passwords()))
        .route(
            "/sessions",
            get(async move |session: Session| -> Answer<String> { Ok(sessions(&listing, &session).await?) }),
        )
        .route(
            "/end-others",
            post(async move |session: Session| -> Answer { Ok(end_others(&ending, &session).await?) }),
        )
        .route("/fresh", get(async |session: Session| -> Answer { Ok(fresh(&session).await?) }))
        .layer(SessionLayer::new(manager));
    if setup.hardened { router.layer(CrossOriginLayer::new(own_origin())) } else { router }
}

pub fn actix(url: &str, setup: Setup) {
    use actix_web::middleware::Condition;
    use shared_session_actix::{CrossOriginMiddleware, Rejection, Session, SessionMiddleware};
    type Answer<T = &'static str> = Result<T, Rejection>;
    actix_web::rt::System::new().block_on(async {
        let manager = manager(url, setup).await;
        super::actix!(move || {
            let (listing, ending) = (manager.clone(), manager.clone());
            actix_web::App::new()
                .wrap(SessionMiddleware::new(manager.clone()))
                .wrap(Condition::new(setup.hardened, CrossOriginMiddleware::new(own_origin())))
                .route(
                    "/read",
                    web::get().to(async |session: Session, ask: web::Query<Ask>| -> Answer<String> {
                        Ok(read(&session, &ask)?)
                    }),
                )
                .route(
                    "/write",
                    web::post().to(async |session: Session, ask: web::Query<Ask>| -> Answer<String> {
                        Ok(write(&session, &ask).await?)
                    }),
                )
                .route(
                    "/big",
                    web::post()
                        .to(async |session: Session, ask: web::Query<Ask>| -> Answer { Ok(big(&session, &ask)?) }),
                )
                .route(
                    "/login",
                    web::post()
                        .to(async |session: Session, ask: web::Query<Ask>| -> Answer { Ok(login(&session, &ask)?) }),
                )
                .route("/logout", web::post().to(async |session: Session| -> Answer { Ok(logout(&session)?) }))
                .route(
                    "/whoami",
                    web::get().to(async |session: Session| -> Answer<String> { Ok(whoami(&session).await?) }),
                )
                .route(
                    "/password",
                    web::post().to(async || {
                        change_passwords();
                        "done"
                    }),
                )
                .route(
                    "/sessions",
                    web::get().to(move |session: Session| {
                        let manager = listing.clone();
                        async move { Ok::<_, Rejection>(sessions(&manager, &session).await?) }
                    }),
                )
                .route(
                    "/end-others",
                    web::post().to(move |session: Session| {
                        let manager = ending.clone();
                        async move { Ok::<_, Rejection>(end_others(&manager, &session).await?) }
                    }),
                )
                .route("/fresh", web::get().to(async |session: Session| -> Answer { Ok(fresh(&session).await?) }))
        });
    });
}
