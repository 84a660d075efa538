//! Remember me: a checkbox of the sign-in form sets whether the visitor stays signed in after the browser is closed.
//!
//! Run it with `cargo run -p shared-session-axum --features users --example remember_me`, then open
//! <http://localhost:3000/> and sign in as `ann` with the password `correct horse`.

use std::time::Duration;

use axum::{Form, Router, response::Html, response::Redirect, routing::get};
use serde::Deserialize;
use shared_session::{
    ErrorKind, Lifetime, LoginOptions, SecretKeys, SessionLayer, SessionManager,
    cookie::CookieConfig,
    store::MemoryStore,
    users::{NewUser, SqlUsers},
};
use shared_session_axum::{MaybeUser, Rejection, Session};

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
    /// Browsers omit an unchecked box.
    remember: Option<String>,
}

async fn page(MaybeUser(user): MaybeUser) -> Html<String> {
    let name = user.map_or("nobody".into(), |user| user.username);
    Html(format!(
        "<p>Signed in: {name}<form method=post><input name=name><input name=password type=password>\
         <label><input type=checkbox name=remember> Keep me signed in</label><button>Sign in</button></form>"
    ))
}

async fn login(session: Session, Form(form): Form<Login>) -> Result<Redirect, Rejection> {
    let user = session.authenticate(&form.name, &form.password).await?.ok_or(ErrorKind::Unauthenticated)?;
    session.login_with(&user, LoginOptions::new().with_remember_me(form.remember.is_some()))?;
    Ok(Redirect::to("/"))
}

pub(crate) async fn app() -> Result<Router, Box<dyn std::error::Error>> {
    let users = SqlUsers::connect("sqlite::memory:").await?;
    users.migrate().await?;
    users.create_user(NewUser::new("ann", "correct horse")).await?;
    let day = Duration::from_secs(86_400);
    let manager = SessionManager::new(MemoryStore::new())
        .with_users(users, SecretKeys::new("a secret key of at least thirty-two bytes")?)
        .with_lifetime(Lifetime::default().with_idle(day).with_remembered(30 * day))
        .with_cookie(CookieConfig::new("session").with_secure(false).build()?);
    Ok(Router::new().route("/", get(page).post(login)).layer(SessionLayer::new(manager)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app().await?).await?)
}
