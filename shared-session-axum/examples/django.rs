//! A service beside a Django site, with the same signed-in users:
//! `SECRET_KEY=… cargo run -p shared-session-axum --example django`, with the settings of the site.
use axum::{Router, routing::get};
use shared_session::{
    Profile, SecretKeys,
    cookie::CookieConfig,
    csrf::FormTokens,
    django::Django,
    store::{RedisStore, SessionStore},
    users::SqlUsers,
};
use shared_session_axum::{CurrentUser, SessionLayer, SessionManager};

/// `store` is the cache of the site, `database` the URL of its database, `secret_key` its `SECRET_KEY`.
pub(crate) async fn app(
    store: impl SessionStore,
    database: &str,
    secret_key: &str,
) -> Result<Router, shared_session::Error> {
    let users = SqlUsers::connect(database).await?.with_django_tables("auth_user").await?;
    let manager = SessionManager::new(store)
        // SESSION_ENGINE = "django.contrib.sessions.backends.cache"
        .with_profile(Profile::django(Django::cache()))
        // SESSION_COOKIE_NAME, SESSION_COOKIE_AGE
        .with_cookie(CookieConfig::new("sessionid").build()?)
        .with_form_tokens(FormTokens::django(FormTokens::django_cookie())?)
        .with_users(users, SecretKeys::django(secret_key)?);
    // Stops the start if a setting differs from the site's.
    manager.check_fleet().await?;
    Ok(Router::new()
        .route("/whoami", get(async |user: CurrentUser| user.username.clone()))
        .layer(SessionLayer::new(manager)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = RedisStore::connect("redis://127.0.0.1/1").await?;
    let app = app(store, "sqlite://db.sqlite3", &std::env::var("SECRET_KEY")?).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
