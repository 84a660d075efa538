//! actix-session over its Redis store, and actix-identity. Hardened: a cookie with the prefix `__Host-`, keys under a
//! prefix, a lifetime that every request extends, and a deadline after the sign-in.

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::{
    Session, SessionMiddleware,
    config::{BrowserSession, TtlExtensionPolicy},
    storage::RedisSessionStore,
};
use actix_web::{
    HttpMessage as _, HttpRequest, Result,
    cookie::{Key, time},
    web,
};

use super::{Ask, KEY, Setup, change_passwords, or_nothing};

pub fn serve(url: &str, setup: Setup) {
    actix_web::rt::System::new().block_on(async {
        let store = RedisSessionStore::builder(url);
        let store = if setup.hardened { store.cache_keygen(|key| format!("session:{key}")) } else { store };
        let store = store.build().await.unwrap();
        super::actix!(move || {
            let mut lifecycle = BrowserSession::default();
            if let Some(idle) = setup.idle {
                lifecycle = lifecycle.state_ttl(time::Duration::try_from(idle).unwrap());
            }
            let sessions = SessionMiddleware::builder(store.clone(), Key::from(&KEY));
            let (sessions, identities) = if setup.hardened {
                let lifecycle = lifecycle.state_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
                (
                    sessions.cookie_name("__Host-id".to_owned()).session_lifecycle(lifecycle),
                    IdentityMiddleware::builder().login_deadline(setup.absolute).build(),
                )
            } else {
                (sessions.session_lifecycle(lifecycle), IdentityMiddleware::default())
            };
            actix_web::App::new()
                .wrap(identities)
                .wrap(sessions.build())
                .route("/read", web::get().to(read))
                .route("/write", web::post().to(write))
                .route("/big", web::post().to(big))
                .route("/login", web::post().to(login))
                .route("/logout", web::post().to(logout))
                .route("/whoami", web::get().to(whoami))
                .route("/password", web::post().to(password))
        });
    });
}

async fn read(session: Session, ask: web::Query<Ask>) -> Result<String> {
    Ok(or_nothing(session.get(&ask.name)?))
}

async fn write(session: Session, ask: web::Query<Ask>) -> Result<String> {
    let before = or_nothing(session.get(&ask.name)?);
    ask.pause().await;
    session.insert(&ask.name, &ask.value)?;
    Ok(before)
}

async fn big(session: Session, ask: web::Query<Ask>) -> Result<&'static str> {
    session.insert("big", "x".repeat(ask.size))?;
    Ok("done")
}

async fn login(request: HttpRequest, ask: web::Query<Ask>) -> Result<&'static str> {
    Identity::login(&request.extensions(), ask.user.clone()).map_err(actix_web::error::ErrorInternalServerError)?;
    Ok("done")
}

async fn logout(user: Option<Identity>) -> &'static str {
    if let Some(user) = user {
        user.logout();
    }
    "done"
}

async fn whoami(user: Option<Identity>) -> String {
    or_nothing(user.and_then(|user| user.id().ok()))
}

async fn password() -> &'static str {
    change_passwords();
    "done"
}
