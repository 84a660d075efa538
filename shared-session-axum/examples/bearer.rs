//! One service for browsers and for the command line: `cargo run -p shared-session-axum --example bearer`, then
//!
//! ```console
//! $ curl -i -d username=ada -d 'password=correct horse' http://localhost:3000/token
//! $ curl -H 'Authorization: Bearer <the value of session-token>' http://localhost:3000/
//! ```
use axum::{Form, Router, routing::get, routing::post};
use serde::Deserialize;
use shared_session::users::{CreateUserError, NewUser, SqlUsers};
use shared_session::{SecretKeys, csrf::CrossOrigin, store::MemoryStore, tower::CrossOriginLayer};
use shared_session_axum::{CurrentUser, ErrorKind, Rejection, Session, SessionLayer, SessionManager};

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// `database` is the URL of a SQLite or PostgreSQL database. Missing user tables are created.
pub(crate) async fn app(database: &str, secret_key: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let users = SqlUsers::connect(database).await?;
    users.migrate().await?;
    match users.create_user(NewUser::new("ada", "correct horse")).await {
        Ok(_) | Err(CreateUserError::NameTaken) => {}
        Err(error) => return Err(error.into()),
    }
    let keys = SecretKeys::new(secret_key)?;
    let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys).with_bearer_tokens();
    let pages = CrossOrigin::new(["http://localhost:3000"])?.with_bearer_tokens();
    Ok(Router::new()
        .route("/token", post(token))
        .route("/logout", post(async |session: Session| Ok::<_, Rejection>(session.logout()?)))
        .route("/", get(async |user: CurrentUser| format!("Hello, {}", user.username)))
        .layer(SessionLayer::new(manager))
        .layer(CrossOriginLayer::new(pages)))
}

/// The token is in a response header. A browser with a session cookie gets none.
async fn token(session: Session, Form(form): Form<Credentials>) -> Result<&'static str, Rejection> {
    session.answer_with_bearer()?;
    let user = session.authenticate(&form.username, &form.password).await?.ok_or(ErrorKind::Unauthenticated)?;
    session.login(&user)?;
    Ok("signed in")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app =
        app("sqlite://users.sqlite3", "a secret key of at least thirty-two bytes, the same after a restart").await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://localhost:3000/");
    Ok(axum::serve(listener, app).await?)
}
