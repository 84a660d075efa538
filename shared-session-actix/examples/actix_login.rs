//! Sign-in with users in SQL: `cargo run -p shared-session-actix --example actix_login`, then sign in as `ada` with
//! `correct horse`.
use actix_web::{App, HttpServer, Responder, web};
use serde::Deserialize;
use shared_session::users::{CreateUserError, NewUser, SqlUsers};
use shared_session::{SecretKeys, csrf::FormTokens, store::MemoryStore};
use shared_session_actix::{CurrentUser, ErrorKind, FormToken, ProtectedForm};
use shared_session_actix::{Rejection, Session, SessionManager, SessionMiddleware};

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

type Failed = Box<dyn std::error::Error>;

/// `database` is the URL of a SQLite or PostgreSQL database. Missing user tables are created.
pub(crate) async fn open(database: &str, secret_key: &str) -> Result<SessionManager, Failed> {
    let (users, keys) = (SqlUsers::connect(database).await?, SecretKeys::new(secret_key)?);
    users.migrate().await?;
    match users.create_user(NewUser::new("ada", "correct horse")).await {
        Ok(_) | Err(CreateUserError::NameTaken) => {}
        Err(error) => return Err(error.into()),
    }
    let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys.clone()));
    Ok(manager.with_users(users, keys))
}

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    let logout = async |session: Session| Ok::<_, Rejection>(session.logout().map(|()| "signed out")?);
    app.service(web::resource("/login").get(form).post(login))
        .route("/logout", web::post().to(logout))
        .route("/", web::get().to(async |user: CurrentUser| format!("Hello, {}", user.username)));
}

async fn form(token: FormToken) -> web::Html {
    let fields = "<input name=\"username\"><input name=\"password\" type=\"password\"><button>Sign in</button>";
    web::Html::new(format!("<form method=\"post\">{}{fields}</form>", token.input()))
}

/// A wrong password takes as long as an unknown name.
async fn login(session: Session, ProtectedForm(form): ProtectedForm<Credentials>) -> Result<impl Responder, Rejection> {
    let user = session.authenticate(&form.username, &form.password).await?.ok_or(ErrorKind::Unauthenticated)?;
    session.login(&user)?;
    Ok(web::Redirect::to("/").see_other())
}

#[actix_web::main]
async fn main() -> Result<(), Failed> {
    let key = "a secret key of at least thirty-two bytes, the same after a restart";
    let manager = open("sqlite://users.sqlite3", key).await?;
    let app = move || App::new().configure(routes).wrap(SessionMiddleware::new(manager.clone()));
    Ok(HttpServer::new(app).bind("127.0.0.1:3001")?.run().await?)
}
