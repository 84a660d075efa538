//! From settings to running parts: the session store, the users and the session manager.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use shared_session::{
    Error, ErrorKind, Lifetime, OnError, SecretKeys, SessionLimit, SessionManager,
    cookie::{self, CookieConfig, SessionCookie},
    csrf::{CrossOrigin, FormTokens},
    users::{CreateUserError, NewUser, PasswordHasher, SqlUsers, UserCache, UserTable},
};

use tracing_subscriber::{
    filter::FilterExt as _,
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use crate::{
    data_dir,
    log_filter::FewOfAKind,
    metrics,
    prefix::Prefix,
    secret_key, sessions,
    settings::{DatabaseUrl, DjangoSettings, SameSite, SessionUrl, Settings},
    throttles::{DeviceCookie, Throttles},
};

/// The user that the first start creates in an embedded database.
pub const DEMO_USER: &str = "demo";
/// The password of [`DEMO_USER`].
pub const DEMO_PASSWORD: &str = "demo-password";

/// The group that the first start creates in an embedded database: its staff may change users.
pub const DEMO_GROUP: &str = "Support";

/// The parts of both services. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The users.
    pub users: SqlUsers,
    /// The sessions.
    pub manager: SessionManager,
    /// The limits on attempts.
    pub throttles: Throttles,
    /// The cookie that marks a browser that has signed in.
    pub device_cookie: DeviceCookie,
    forms: FormTokens,
}

impl Setup {
    /// Connects all parts, creates missing tables, and in an embedded database the user `demo`. The start succeeds
    /// while Redis is down: `/readyz` reports it, and requests that need it get 503. The start fails if the user
    /// database is down.
    ///
    /// # Errors
    /// One line with the setting to change.
    pub async fn open(settings: Settings, on_error: OnError) -> Result<Self, Error> {
        if settings.has_env_file {
            tracing::info!("settings that the environment lacks are read from .env in the working directory");
        }
        if !settings.unknown.is_empty() {
            tracing::warn!("no settings, and of no effect: {}", settings.unknown.join(", "));
        }
        metrics::start(&settings)?;
        make_data_dir(&settings)?;
        let keys = secret_keys(&settings)?;
        let users = open_users(&settings).await?;
        let users = if settings.user_cache { users.with_cache(UserCache::new()) } else { users };
        let forms = form_tokens(&settings, &keys)?;
        let manager = open_manager(&settings, &keys, &users).await?;
        let manager = manager.with_form_tokens(forms.clone()).with_on_error(on_error);
        sessions::verify(&settings, &manager).await?;
        if settings.has_embedded_users() {
            make_demo_user(&users, &settings.data_dir).await?;
        }
        let throttles = Throttles::new(&settings, &manager, keys);
        let device_cookie = DeviceCookie::new(&settings)?;
        Ok(Self { settings: Arc::new(settings), users, manager, throttles, device_cookie, forms })
    }

    /// The check of unsafe requests, once the service is bound.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an invalid origin.
    pub fn cross_origin(&self, bound: SocketAddr) -> Result<CrossOrigin, Error> {
        CrossOrigin::new(self.allowed_origins(bound))
    }

    /// The origins that [`cross_origin`](Self::cross_origin) allows.
    #[must_use]
    pub fn allowed_origins(&self, bound: SocketAddr) -> BTreeSet<String> {
        self.settings.allowed_origins(bound)
    }

    /// The form tokens of `site` under `prefix`: browsers send their cookie to that path only, unless it is Django's or
    /// its name has the prefix `__Host-`.
    #[must_use]
    pub fn forms_under(&self, prefix: &Prefix) -> FormTokens {
        let forms = self.forms.clone();
        match prefix.as_str() {
            path if !path.is_empty() && !self.settings.profile.is_django() => {
                forms.clone().with_cookie(native_form_cookie(&self.settings).with_path(path)).unwrap_or(forms)
            }
            _ => forms,
        }
    }

    /// The names of the parts that are down; empty if the service is ready. One round trip to each part, and one more
    /// while the store refuses writes.
    pub async fn down(&self) -> Vec<&'static str> {
        let (sessions, users) = tokio::join!(self.manager.ping(), self.users.ping());
        // A store that refuses writes still answers `ping`.
        let writes = if sessions.is_ok() { self.manager.check_writes().await } else { Ok(()) };
        let mut down = Vec::new();
        for (name, result) in [("sessions", sessions), ("sessions (writes are refused)", writes), ("users", users)] {
            if let Err(error) = result {
                tracing::warn!(part = name, %error, "not ready");
                down.push(name);
            }
        }
        down
    }
}

/// Starts logging to stderr, filtered by `RUST_LOG` and limited by [`FewOfAKind`].
///
/// # Errors
/// One line, if the filter is invalid or logging was started before.
pub fn start_logging(settings: &Settings) -> Result<(), Error> {
    let refused = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Config, format!("RUST_LOG: {error}"));
    // Actix Web writes three lines about its workers at each start. A filter that names it still shows them.
    let filter = format!("actix_server=warn,{}", settings.log_filter);
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| refused(&error))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_filter(filter.and(FewOfAKind::default()));
    tracing_subscriber::registry().with(lines).try_init().map_err(|error| refused(&error))
}

/// The sessions, in the store, the format and the cookie that the settings name.
///
/// # Errors
/// One line with the setting to change.
pub(crate) async fn open_manager(
    settings: &Settings,
    keys: &SecretKeys,
    users: &SqlUsers,
) -> Result<SessionManager, Error> {
    let manager = sessions::open(settings, keys)
        .await?
        .with_cookie(cookie_of(settings)?)
        .with_lifetime(lifetime_of(settings))
        .with_retry_after(settings.retry_after)
        .with_anonymous_max_size(settings.limits.anonymous_size)
        .with_users(users.clone(), keys.clone());
    Ok(match settings.limits.max_per_user {
        Some(most) => manager.with_session_limit(SessionLimit::EndOldest(most)),
        None => manager,
    })
}

/// The users with their tables, all that `site migrate` and `site create-superuser` need. With a Django profile the
/// tables are Django's; missing ones are not created.
///
/// # Errors
/// One line with the setting to change.
pub async fn open_users(settings: &Settings) -> Result<SqlUsers, Error> {
    make_data_dir(settings)?;
    let url = users_url(settings);
    let users = SqlUsers::connect(&url).await.map_err(|error| explained("DATABASE_URL", &error))?;
    if settings.profile.is_django() {
        let users = users.with_django_tables(user_table(settings)).await.map_err(|error| misfit(settings, &error))?;
        // The hasher that every Django can verify without further packages.
        return Ok(users.with_hasher(PasswordHasher::pbkdf2_sha256(PasswordHasher::DJANGO_ITERATIONS)?));
    }
    users.migrate().await.map_err(|error| explained("DATABASE_URL", &error))?;
    if let Err(error) = make_permissions(&users).await {
        tracing::info!(%error, "the permissions that staff may have were not made");
    }
    Ok(users)
}

/// Creates the permissions that Django creates for its users and groups, if they are missing, so that staff can get
/// them.
async fn make_permissions(users: &SqlUsers) -> Result<(), Error> {
    let known: BTreeSet<_> = users.all_permissions().await?.into_iter().map(|permission| permission.name).collect();
    for model in ["group", "user"] {
        for what in ["add", "change", "delete", "view"] {
            let codename = format!("{what}_{model}");
            if !known.contains(&format!("auth.{codename}")) {
                users.add_permission("auth", model, &codename, &format!("Can {what} {model}")).await?;
            }
        }
    }
    Ok(())
}

fn user_table(settings: &Settings) -> UserTable {
    let DjangoSettings { user_table, username_field, email_field, time_zone, .. } = &settings.django;
    let table = UserTable::new(user_table).with_username_column(username_field).with_email_column(email_field);
    match time_zone {
        Some(zone) => table.with_time_zone(zone.clone()),
        None => table,
    }
}

/// The error of the user table, with the settings that name it.
fn misfit(settings: &Settings, error: &Error) -> Error {
    let explained = explained("DATABASE_URL", error);
    if error.kind() != ErrorKind::Config {
        return explained;
    }
    let DjangoSettings { user_table, username_field, .. } = &settings.django;
    let settings = format!("AUTH_USER_TABLE is {user_table}, AUTH_USERNAME_FIELD is {username_field}");
    Error::new(ErrorKind::Config, format!("{explained} ({settings})"))
}

pub(crate) fn users_url(settings: &Settings) -> String {
    match &settings.database_url {
        DatabaseUrl::Embedded => embedded_url(settings),
        DatabaseUrl::Sqlite(url) => url.clone(),
        DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    }
}

pub(crate) fn explained(setting: &str, error: &Error) -> Error {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Error::new(error.kind(), format!("{setting}: {error}{cause}"))
}

pub(crate) fn embedded_url(settings: &Settings) -> String {
    format!("sqlite://{}", settings.embedded_database().display())
}

fn make_data_dir(settings: &Settings) -> Result<(), Error> {
    if !needs_data_dir(settings) {
        return Ok(());
    }
    let made = data_dir::make(&settings.data_dir).and_then(|()| {
        if has_embedded_database(settings) {
            data_dir::make_database(&settings.data_dir, &settings.embedded_database())?;
        }
        Ok(())
    });
    made.map_err(|source| {
        let directory = settings.data_dir.display();
        Error::new(ErrorKind::Config, format!("DATA_DIR {directory} cannot be made: {source}"))
    })
}

fn needs_data_dir(settings: &Settings) -> bool {
    settings.secret_key.is_none() || has_embedded_database(settings)
}

pub(crate) fn has_embedded_database(settings: &Settings) -> bool {
    settings.has_embedded_users() || matches!(settings.session_url, SessionUrl::Embedded)
}

pub(crate) fn secret_keys(settings: &Settings) -> Result<SecretKeys, Error> {
    let mut keys = match &settings.secret_key {
        Some(key) if settings.profile.is_django() => SecretKeys::django(key.expose())?,
        Some(key) => SecretKeys::new(key.expose())?,
        None => SecretKeys::new(secret_key::load_or_create(&settings.data_dir).map_err(|source| {
            Error::new(ErrorKind::Config, format!("the secret key in DATA_DIR cannot be used: {source}"))
        })?)?,
    };
    for fallback in &settings.secret_key_fallbacks {
        keys = keys.with_fallback(fallback.expose())?;
    }
    Ok(keys)
}

/// With a Django profile these are Django's tokens, so that each side accepts the forms of the other.
fn form_tokens(settings: &Settings, keys: &SecretKeys) -> Result<FormTokens, Error> {
    if settings.profile.is_django() {
        let cookie = FormTokens::django_cookie().with_secure(settings.cookie.secure);
        let cookie = settings.cookie.former_domains.iter().fold(cookie, CookieConfig::with_former_domain);
        return FormTokens::django(match &settings.cookie.domain {
            Some(domain) => cookie.with_domain(domain),
            None => cookie,
        });
    }
    FormTokens::new(keys.clone()).with_cookie(native_form_cookie(settings))
}

fn native_form_cookie(settings: &Settings) -> CookieConfig {
    let secure = settings.cookie.secure;
    // Browsers accept `__Host-` only with the path `/`, which other services of the host may use.
    let mark = match secure {
        false => "",
        true if settings.site_prefix.as_str().is_empty() => "__Host-",
        true => "__Secure-",
    };
    CookieConfig::new(format!("{mark}{}_csrf", settings.cookie.name)).with_secure(secure)
}

fn cookie_of(settings: &Settings) -> Result<SessionCookie, Error> {
    let same_site = match settings.cookie.same_site {
        SameSite::Lax => cookie::SameSite::Lax,
        SameSite::Strict => cookie::SameSite::Strict,
        SameSite::None => cookie::SameSite::None,
    };
    let config = CookieConfig::new(&settings.cookie.name)
        .with_secure(settings.cookie.secure)
        .with_same_site(same_site)
        .with_path(&settings.cookie.path)
        .with_max_age(cookie_age(settings));
    let config = settings.cookie.former_domains.iter().fold(config, CookieConfig::with_former_domain);
    let config = settings.cookie.former_paths.iter().fold(config, CookieConfig::with_former_path);
    match &settings.cookie.domain {
        Some(domain) => config.with_domain(domain),
        None => config,
    }
    .build()
}

/// The browser keeps the cookie as long as the session can last; the store decides whether the session is still valid.
/// In a Django profile that is the idle time after each write, which is Django's `SESSION_COOKIE_AGE`.
fn cookie_age(settings: &Settings) -> Option<Duration> {
    let age = if settings.profile.is_django() { settings.idle } else { settings.absolute };
    (!settings.cookie.of_the_browser).then_some(age.min(CookieConfig::MAX_AGE_LIMIT))
}

fn lifetime_of(settings: &Settings) -> Lifetime {
    let lifetime = Lifetime::default()
        .with_idle(settings.idle)
        .with_anonymous(settings.limits.anonymous_age)
        .with_absolute(settings.absolute)
        .with_remembered(settings.remembered);
    if settings.save_every_request { lifetime.with_touch_after(0.0) } else { lifetime }
}

/// Creates the demo user at the first start only, and a group to give and take. Two services may do this at the same
/// moment: one creates the user, the other finds it.
async fn make_demo_user(users: &SqlUsers, directory: &Path) -> Result<(), Error> {
    if data_dir::has_had_demo_user(directory) {
        return Ok(());
    }
    match users.create_user(NewUser::new(DEMO_USER, DEMO_PASSWORD).with_email("demo@example.org")).await {
        Ok(_) => {
            // The user exists even if this cannot be written.
            let _ = writeln!(io::stdout(), "created the user {DEMO_USER} with the password {DEMO_PASSWORD}");
        }
        Err(CreateUserError::NameTaken) => {}
        Err(CreateUserError::Failed(error)) => return Err(error),
        Err(other) => return Err(Error::new(ErrorKind::Config, other.to_string())),
    }
    let permissions = ["auth.change_user", "auth.view_user"].map(str::to_owned);
    users.save_group(DEMO_GROUP, &permissions.into()).await?;
    data_dir::remember_demo_user(directory)
        .map_err(|source| Error::new(ErrorKind::Config, format!("DATA_DIR cannot be written: {source}")))
}

#[cfg(test)]
mod tests {
    use shared_session::{Close, Ending, store::MemoryStore};

    use super::*;
    use crate::settings::Service;

    fn settings(database_url: &str, more: &[(&str, &str)]) -> Settings {
        let django = [
            ("SESSION_PROFILE", "django-db"),
            ("DATABASE_URL", database_url),
            ("SECRET_KEY", "short"),
            ("SECRET_KEY_FALLBACKS", "old"),
        ];
        let vars = [django.as_slice(), more].concat();
        let read =
            |name: &str| vars.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Settings::from_env(read, Service::Site).unwrap()
    }

    /// The cookie that a page with a form sets.
    fn form_cookie(tokens: &FormTokens) -> String {
        let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(tokens.clone());
        let request = manager.open([]);
        request.form_token().unwrap();
        let Close::Done(outcome) = manager.close(&request, Ending::Completed) else { panic!("nothing is stored") };
        outcome.set_cookies(&cookie::RequestUrl::default()).concat()
    }

    #[test]
    fn with_a_django_profile_forms_carry_the_cookie_of_django() {
        let set_cookie = |more: &[(&str, &str)]| {
            let settings = settings("sqlite://db.sqlite3", more);
            let tokens = form_tokens(&settings, &secret_keys(&settings).unwrap()).unwrap();
            form_cookie(&tokens)
        };
        let plain = set_cookie(&[]);
        assert!(plain.starts_with("csrftoken=") && !plain.contains("Secure") && !plain.contains("Domain"), "{plain}");
        let shared = set_cookie(&[("SESSION_COOKIE_DOMAIN", "example.com"), ("SESSION_COOKIE_SECURE", "true")]);
        assert!(shared.contains("; Secure") && shared.contains("; Domain=example.com"), "{shared}");
        let native =
            set_cookie(&[("SESSION_PROFILE", "native"), ("SECRET_KEY", &"k".repeat(32)), ("SECRET_KEY_FALLBACKS", "")]);
        assert!(native.starts_with("shared_session_id_csrf="), "{native}");
        assert!(native.ends_with("; Path=/"), "{native}");
    }

    #[tokio::test]
    async fn the_cookie_of_forms_goes_to_the_path_of_the_site() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().display().to_string();
        let accounts = Prefix::parse("/accounts").unwrap();
        for (vars, start, end) in [
            (vec![], "shared_session_id_csrf=", "; Path=/accounts"),
            (vec![("SESSION_COOKIE_SECURE", "true")], "__Host-shared_session_id_csrf=", "; Path=/"),
            (
                vec![("SESSION_COOKIE_SECURE", "true"), ("SITE_PREFIX", "/accounts")],
                "__Secure-shared_session_id_csrf=",
                "; Path=/accounts",
            ),
        ] {
            let read = |name: &str| match name {
                "DATA_DIR" => Some(data.clone()),
                _ => vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
            };
            let settings = Settings::from_env(read, Service::Site).unwrap();
            let setup = Setup::open(settings, OnError::default()).await.unwrap();
            let cookie = form_cookie(&setup.forms_under(&accounts));
            assert!(cookie.starts_with(start) && cookie.ends_with(end), "{cookie}");
        }
    }

    #[test]
    fn the_browser_keeps_the_cookie_as_long_as_the_session_may_last() {
        let native: &[(&str, &str)] =
            &[("SESSION_PROFILE", "native"), ("SECRET_KEY", &"k".repeat(32)), ("SECRET_KEY_FALLBACKS", "")];
        let set =
            |more: &[&[(&str, &str)]]| cookie_of(&settings("sqlite://db.sqlite3", &more.concat())).unwrap().set("v");
        assert_eq!(set(&[native]), "shared_session_id=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=7776000");
        assert!(set(&[]).ends_with("; Max-Age=1209600"), "Django's SESSION_COOKIE_AGE");
        assert!(set(&[&[("SESSION_IDLE", "60")]]).ends_with("; Max-Age=60"));
        let closing: &[_] = &[("SESSION_EXPIRE_AT_BROWSER_CLOSE", "True"), ("SESSION_COOKIE_PATH", "/app")];
        for profile in [native, &[]] {
            assert_eq!(set(&[profile, closing]), "shared_session_id=v; HttpOnly; SameSite=Lax; Path=/app");
        }
    }

    #[tokio::test]
    async fn with_a_django_profile_users_are_those_of_django_and_nothing_is_made() {
        use shared_session::users::Users;

        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db.sqlite3");
        let url = format!("sqlite://{}", file.display());
        let django = settings(&url, &[]);
        let error = open_users(&django).await.unwrap_err().to_string();
        assert!(error.starts_with("DATABASE_URL: ") && error.contains("manage.py migrate"), "{error}");

        // Creates the tables as Django does.
        SqlUsers::connect(&url).await.unwrap().migrate().await.unwrap();
        let users = open_users(&django).await.unwrap();
        let hash = users.hasher().hash("p").await.unwrap();
        assert!(hash.starts_with("pbkdf2_sha256$1500000$"), "{hash}");
        assert_eq!(users.raise_epoch("1").await.unwrap(), None, "Django has no epochs");

        let custom = settings(&url, &[("AUTH_USER_TABLE", "accounts_member")]);
        let error = open_users(&custom).await.unwrap_err().to_string();
        assert!(error.contains("accounts_member"), "{error}");
    }

    #[test]
    fn with_a_django_profile_sessions_are_tied_to_users_as_django_does() {
        let user = shared_session::users::User::new("1", "ann");
        let keys = secret_keys(&settings("sqlite://db.sqlite3", &[])).unwrap();
        let hash = user.session_auth_hash(&keys);
        assert_eq!(hash, user.session_auth_hash(&SecretKeys::django("short").unwrap()));
        let old = user.session_auth_hash(&SecretKeys::django("old").unwrap());
        assert_ne!(hash, old);
        assert!(user.verify_session_auth_hash(&keys, &old));
    }
}
