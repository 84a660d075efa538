//! Your own user type. Sign in with `curl -c jar -d 'name=ann&password=correct horse' localhost:3000/login`, then
//! `curl -b jar localhost:3000/`.
use std::{borrow::Cow, collections::HashMap};

use axum::{Form, Router, routing::get, routing::post};
use shared_session::users::{AuthUser, PasswordHasher, Users};
use shared_session::{Error, ErrorKind, SecretKeys, SessionManager, store::MemoryStore};
use shared_session_axum::{CurrentUser, Rejection, Session, SessionLayer};

#[derive(Clone)]
struct Account {
    name: String,
    password: String,
    city: &'static str,
}

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        (&self.name).into()
    }
    fn encoded_password(&self) -> &str {
        &self.password
    }
}

struct Accounts(HashMap<String, Account>);

impl Users for Accounts {
    type User = Account;
    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(self.0.get(id).cloned())
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find(name).await
    }
}

async fn login(session: Session, Form(form): Form<HashMap<String, String>>) -> Result<&'static str, Rejection> {
    let field = |name| form.get(name).map_or("", String::as_str);
    let account: Option<Account> = session.authenticate_as(field("name"), field("password")).await?;
    session.login(&account.ok_or(ErrorKind::Unauthenticated)?)?;
    Ok("welcome\n")
}

pub(crate) async fn app() -> Result<Router, Error> {
    let password = PasswordHasher::default().hash("correct horse").await?;
    let accounts = Accounts([("ann".into(), Account { name: "ann".into(), password, city: "Basel" })].into());
    let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    let manager = SessionManager::new(MemoryStore::new()).with_users(accounts, keys);
    Ok(Router::new()
        .route("/", get(async |user: CurrentUser<Account>| format!("{} of {}\n", user.name, user.city)))
        .route("/login", post(login))
        .layer(SessionLayer::new(manager)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app().await?).await?)
}
