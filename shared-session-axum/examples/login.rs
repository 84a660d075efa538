//! Sign-in with users in SQL: `cargo run -p shared-session-axum --example login`, then sign in as `ada` with
//! `correct horse`.
use axum::{Router, response::Html, response::Redirect, routing::get, routing::post};
use serde::Deserialize;
use shared_session::users::{CreateUserError, NewUser, SqlUsers};
use shared_session::{SecretKeys, csrf::FormTokens, store::MemoryStore};
use shared_session_axum::{CurrentUser, ErrorKind, FormToken, ProtectedForm};
use shared_session_axum::{Rejection, Session, SessionLayer, SessionManager};

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
    let manager =
        SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys.clone())).with_users(users, keys);
    Ok(Router::new()
        .route("/login", get(form).post(login))
        .route("/logout", post(async |session: Session| Ok::<_, Rejection>(session.logout()?)))
        .route("/", get(async |user: CurrentUser| format!("Hello, {}", user.username)))
        .layer(SessionLayer::new(manager)))
}

async fn form(token: FormToken) -> Html<String> {
    let fields = "<input name=\"username\"><input name=\"password\" type=\"password\"><button>Sign in</button>";
    Html(format!("<form method=\"post\">{}{fields}</form>", token.input()))
}

/// A wrong password takes as long as an unknown name.
async fn login(session: Session, ProtectedForm(form): ProtectedForm<Credentials>) -> Result<Redirect, Rejection> {
    let user = session.authenticate(&form.username, &form.password).await?.ok_or(ErrorKind::Unauthenticated)?;
    session.login(&user)?;
    Ok(Redirect::to("/"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app =
        app("sqlite://users.sqlite3", "a secret key of at least thirty-two bytes, the same after a restart").await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://localhost:3000/login");
    Ok(axum::serve(listener, app).await?)
}
