//! Sign-in, sign-out and the signed-in user.

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use serde::{Deserialize, Serialize};
use shared_session::{ClientAddress, Error, LoginOptions, throttle::Verdict, users::User};
use shared_session_axum::{CurrentUser, Session};
use shared_session_examples::{setup::Setup, sign_in};
use utoipa::ToSchema;

use crate::{
    json::JsonObject,
    problem::{ApiError, Fails, Problem, ReadFails, WriteFails},
};

/// The credentials. Other members are ignored.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    #[schema(example = "demo")]
    username: String,
    #[schema(format = Password, example = "demo-password")]
    password: String,
    /// `true`: stay signed in when the browser is closed, and for longer without a visit. `false`: until the browser is
    /// closed. Left out: as the service is configured.
    #[serde(default)]
    remember: Option<bool>,
    /// `true`: the answer returns the session in `Session-Token` instead of a cookie, for `Authorization: Bearer`. Where
    /// the service takes no bearer tokens this is 422; in a request with the session cookie it is 400.
    #[serde(default)]
    bearer: bool,
}

/// The signed-in user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    /// The primary key, as text.
    #[schema(example = "1")]
    id: String,
    #[schema(example = "demo")]
    username: String,
    /// May be empty.
    #[schema(example = "demo@example.org")]
    email: String,
    is_staff: bool,
    /// Has every permission, also those that are not listed.
    is_superuser: bool,
    /// The names of the user's groups, sorted.
    groups: BTreeSet<String>,
    /// The permissions of the user and the user's groups, as `app.codename`, sorted.
    permissions: BTreeSet<String>,
}

impl Account {
    async fn of(user: &User, session: &shared_session::Session) -> Result<Self, Error> {
        let (groups, permissions) = tokio::try_join!(session.groups(user), session.permissions(user))?;
        Ok(Self {
            id: user.id.clone(),
            username: user.username.clone(),
            email: user.email.clone(),
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            groups: groups.into_iter().collect(),
            permissions,
        })
    }
}

/// Sign in
///
/// The cookie is replaced. What an anonymous visitor stored is kept. After some wrong passwords each next attempt has
/// to wait longer.
#[utoipa::path(
    post,
    path = "/api/login",
    tag = "account",
    security((), ("session" = [])),
    request_body(content = Login, description = "The user name and the password"),
    responses(
        (status = 200, description = "Signed in", body = Account,
            headers(("Set-Cookie" = Option<String>, description = "The session"))),
        Fails<400>, Fails<401>, Fails<415>, Fails<422>, Fails<429>, WriteFails
    )
)]
pub(crate) async fn login(
    State(setup): State<Setup>,
    session: Session,
    address: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    JsonObject(login): JsonObject<Login>,
) -> Result<Json<Account>, ApiError> {
    if login.bearer {
        if !setup.settings.bearer_tokens {
            let detail = "This service takes no bearer tokens.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into());
        }
        session.answer_with_bearer()?;
    }
    let address = address.map(|Extension(ClientAddress(address))| address);
    let cookies = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let attempt = match setup.throttles.sign_in(&login.username, address, cookies).await? {
        Verdict::Go(attempt) => attempt,
        Verdict::Wait(wait) => return Err(Problem::too_many(wait).into()),
    };
    let found = sign_in::authenticate(attempt, &session, &setup.users, &login.username, &login.password).await?;
    let Some(user) = found else {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "The user name or the password is wrong.");
        let challenge = setup.settings.bearer_tokens.then_some(r#"Bearer realm="session""#);
        return Err(problem.with_challenge(challenge).into());
    };
    let account = Account::of(&user, &session).await?;
    let options = login.remember.map(|remember| LoginOptions::new().with_remember_me(remember)).unwrap_or_default();
    sign_in::begin(&session, &setup.users, &user, options).await?;
    Ok(Json(account))
}

/// Sign out
///
/// Ends the whole session, signed in or not.
#[utoipa::path(
    post,
    path = "/api/logout",
    tag = "account",
    security((), ("session" = [])),
    responses((status = 204, description = "Signed out, and the cookie removed"), WriteFails)
)]
pub(crate) async fn logout(session: Session) -> Result<StatusCode, ApiError> {
    session.logout()?;
    Ok(StatusCode::NO_CONTENT)
}

/// The signed-in user
#[utoipa::path(
    get,
    path = "/api/me",
    tag = "account",
    security(("session" = [])),
    responses((status = 200, description = "The user", body = Account), Fails<401>, ReadFails)
)]
pub(crate) async fn me(user: CurrentUser) -> Result<Json<Account>, ApiError> {
    Ok(Json(Account::of(&user, user.session()).await?))
}
