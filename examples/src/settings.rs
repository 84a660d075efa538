//! The settings of both services: read from the environment, checked before anything starts.
//!
//! - An empty variable counts as an unset one.
//! - A value that cannot be used stops the start with one line: the variable, the value (never a secret), what is
//!   expected.
//! - A variable that looks like one of ours but is not ([`unknown`]) stops the start too, or is named in a warning: a
//!   misspelt `SESSION_COOKIE_SECURE` must not go unnoticed.
//!
//! ```
//! use shared_session_examples::settings::{Service, Settings};
//!
//! let settings = Settings::from_env(|name| (name == "SESSION_IDLE").then(|| "3600".to_owned()), Service::Api)?;
//! assert_eq!(settings.idle.as_secs(), 3600);
//!
//! let error = Settings::from_env(|name| (name == "SESSION_IDLE").then(|| "1h".to_owned()), Service::Api).unwrap_err();
//! assert_eq!(error.to_string(), "SESSION_IDLE is \"1h\"; expected whole seconds, 1 to 315360000");
//! # Ok::<(), shared_session_examples::settings::SettingsError>(())
//! ```

mod encryption;
pub mod env_file;
mod limits;
mod names;
mod reader;
mod signed_cookies;
mod url;

use std::{collections::BTreeSet, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use shared_session::django::TimeZone;

use self::reader::Reader;
pub use self::{
    encryption::SessionEncryption,
    limits::Limits,
    names::unknown,
    signed_cookies::SignedCookie,
    url::{DatabaseUrl, SessionUrl},
};
use crate::{forms::SignInNames, network::Network, prefix::Prefix};

const SITE_PORT: u16 = 8000;
const API_PORT: u16 = 8001;
const MAX_SECONDS: u64 = 315_360_000;
const MAX_TIMEOUT_MS: u64 = 60_000;
const MAX_RETRY_AFTER: u64 = 86_400;
const MAX_REPLICAS: u32 = 10;
const MAX_CONNECTIONS: u32 = 1_000_000;
const MAX_HTTP_SECONDS: u64 = 3600;
const MIN_KEY_BYTES: usize = 32;
const MIN_TOKEN_BYTES: usize = 16;
const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

/// Which of the two services is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Actix Web, HTML.
    Site,
    /// Axum, JSON.
    Api,
}

/// Why the settings cannot be used, in one line. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// What one client may keep from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// `HTTP_IDLE_TIMEOUT`, default 10 s: how long a connection may take to send the head of a request, or nothing.
    pub idle: Duration,
    /// `HTTP_REQUEST_TIMEOUT`, default 30 s: how long a request may take, its body included, until its answer begins. Then 408.
    pub request: Duration,
    /// `HTTP_CONNECTIONS`, default 1024: how many connections are open at a time. More wait until one ends.
    pub connections: u32,
}

/// Who may ask for `/metrics` and `/readyz`; see [`crate::operations`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// `OPERATIONS_ADDR`, default none: they are answered there and no longer where visitors come in.
    pub addr: Option<SocketAddr>,
    /// `OPERATIONS_TOKEN`, default none: what whoever asks must show.
    pub token: Option<Secret>,
}

/// A value that must not be shown: keys, and URLs that may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// `SESSION_PROFILE`: whose sessions are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionProfile {
    /// The format of this project.
    Native,
    /// Django's `cache` sessions in Django's own Redis cache.
    DjangoCache,
    /// Django's `cache` sessions in the cache of the django-redis package.
    DjangoRedis,
    /// Django's `db` sessions.
    DjangoDb,
    /// Django's `cached_db` sessions.
    DjangoCachedDb,
}

impl SessionProfile {
    const NAMES: [(&str, Self); 5] = [
        ("native", Self::Native),
        ("django-cache", Self::DjangoCache),
        ("django-redis", Self::DjangoRedis),
        ("django-db", Self::DjangoDb),
        ("django-cached-db", Self::DjangoCachedDb),
    ];

    /// As it is set.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }

    /// Whether the sessions are Django's.
    #[must_use]
    pub fn is_django(self) -> bool {
        self != Self::Native
    }

    fn needs_redis(self) -> bool {
        matches!(self, Self::DjangoCache | Self::DjangoRedis | Self::DjangoCachedDb)
    }
}

/// `DJANGO_CODEC`: how sessions are written that a service of ours creates under a Django profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DjangoCodec {
    /// Python's pickle, the default of Django's caches.
    Pickle,
    /// JSON.
    Json,
    /// MessagePack.
    MsgPack,
}

/// `SESSION_COOKIE_SAMESITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent along with links from other sites, but not with their forms.
    Lax,
    /// Never sent along with requests from other sites.
    Strict,
    /// Always sent; needs `Secure`.
    None,
}

/// The attributes of the session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSettings {
    /// `SESSION_COOKIE_NAME`, default `shared_session_id`.
    pub name: String,
    /// `SESSION_COOKIE_DOMAIN`, default none: the cookie belongs to one host.
    pub domain: Option<String>,
    /// `SESSION_COOKIE_PATH`, default `/`.
    pub path: String,
    /// `SESSION_COOKIE_FORMER_DOMAINS`, default none: domains that the cookie had before.
    pub former_domains: Vec<String>,
    /// `SESSION_COOKIE_FORMER_PATHS`, default none: paths that the cookie had before.
    pub former_paths: Vec<String>,
    /// `SESSION_COOKIE_SECURE`, default `false` when the service listens on loopback, else `true`.
    pub secure: bool,
    /// `SESSION_COOKIE_SAMESITE`, default `Lax`.
    pub same_site: SameSite,
    /// `SESSION_COOKIE_SIGNED`, default `off`: whether the cookie carries a tag under the secret key.
    pub signed: SignedCookie,
    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`, default off: the browser keeps the cookie only as long as it runs.
    pub of_the_browser: bool,
}

/// Settings that only Django profiles use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoSettings {
    /// `DJANGO_CODEC`, default `pickle`.
    pub codec: DjangoCodec,
    /// `DJANGO_TIME_ZONE`, default none: Django's `TIME_ZONE` if its `USE_TZ` is `False`.
    pub time_zone: Option<TimeZone>,
    /// `AUTH_USER_TABLE`, default `auth_user`.
    pub user_table: String,
    /// `AUTH_USERNAME_FIELD`, default `username`: the column that users sign in with.
    pub username_field: String,
    /// `AUTH_EMAIL_FIELD`, default `email`.
    pub email_field: String,
    /// `AUTH_BACKEND`, default Django's `ModelBackend`: the backend that a login is recorded under.
    pub backend: String,
}

/// The login to the Sentinels, which is not that of the servers that they watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelLogin {
    /// `SENTINEL_USERNAME`; empty for the user that `requirepass` is for.
    pub username: String,
    /// `SENTINEL_PASSWORD`.
    pub password: Secret,
}

impl SentinelLogin {
    fn read(reader: &Reader<'_>, session_url: &SessionUrl) -> Result<Option<Self>, SettingsError> {
        let (username, password) = (reader.text("SENTINEL_USERNAME"), reader.text("SENTINEL_PASSWORD"));
        if (username.is_some() || password.is_some()) && !matches!(session_url, SessionUrl::RedisSentinel(_)) {
            let message = "SENTINEL_USERNAME or SENTINEL_PASSWORD is set; it needs SESSION_URL=redis+sentinel://…";
            return Err(SettingsError(message.into()));
        }
        match (username, password) {
            (username, Some(password)) => {
                Ok(Some(Self { username: username.unwrap_or_default(), password: Secret(password) }))
            }
            (Some(_), None) => Err(SettingsError("SENTINEL_USERNAME is set; it needs SENTINEL_PASSWORD".into())),
            (None, None) => Ok(None),
        }
    }
}

/// Everything that the environment sets. `docs/` and `.env.example` describe the variables for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The service that is started.
    pub service: Service,
    /// `SITE_ADDR`, default `127.0.0.1:8000`.
    pub site_addr: SocketAddr,
    /// `API_ADDR`, default `127.0.0.1:8001`.
    pub api_addr: SocketAddr,
    /// `SESSION_URL`, else `REDIS_URL`, else embedded. With `django-db`: `DATABASE_URL` if it is unset.
    pub session_url: SessionUrl,
    /// `SENTINEL_USERNAME` and `SENTINEL_PASSWORD`, default none.
    pub sentinel_login: Option<SentinelLogin>,
    /// `DATABASE_URL`, default embedded.
    pub database_url: DatabaseUrl,
    /// `DATA_DIR`, default `.data`.
    pub data_dir: PathBuf,
    /// `SECRET_KEY`. `None`: embedded, use [`crate::secret_key::load_or_create`].
    pub secret_key: Option<Secret>,
    /// `SECRET_KEY_FALLBACKS`, default none.
    pub secret_key_fallbacks: Vec<Secret>,
    /// `SESSION_PROFILE`, default `native`.
    pub profile: SessionProfile,
    /// `SESSION_ENCRYPTION`, default `off`: whether sessions are encrypted in the store.
    pub encryption: SessionEncryption,
    /// `SESSION_KEY_PREFIX`, default `shared_session:`; empty with a Django profile.
    pub key_prefix: String,
    /// `SESSION_KEY_VERSION`, default 1. Only Django profiles use it.
    pub key_version: u32,
    /// What only Django profiles use.
    pub django: DjangoSettings,
    /// The session cookie.
    pub cookie: CookieSettings,
    /// `TRUSTED_PROXIES`, default none: whose `X-Forwarded-For` and `X-Forwarded-Prefix` are believed.
    pub trusted_proxies: Vec<Network>,
    /// `SITE_PREFIX`, default none: the path under which visitors see `site`.
    pub site_prefix: Prefix,
    /// `SESSION_IDLE`, default 14 days: how long a session lives unused.
    pub idle: Duration,
    /// `SESSION_ABSOLUTE`, default 90 days: how long a session lives at most.
    pub absolute: Duration,
    /// `SESSION_REMEMBER_AGE`, default `SESSION_ABSOLUTE`: how long a session lives unused whose user asked to stay signed
    /// in.
    pub remembered: Duration,
    /// `SESSION_SAVE_EVERY_REQUEST`, default off: each request that loads its session extends it, and its cookie.
    pub save_every_request: bool,
    /// `SESSION_REPLICAS`, default 0: how many replicas must have a write before it is acknowledged.
    pub replicas: u32,
    /// `SESSION_FENCED_READS`, default off: a Redis that may not write is not read from either.
    pub fenced_reads: bool,
    /// `NEAR_CACHE`, default off.
    pub near_cache: bool,
    /// `SESSION_DURABLE`, default off: sessions are kept in the users' database, with copies in Redis.
    pub durable: bool,
    /// `SESSION_TIMEOUT_MS`, default 300 ms: how long one call to Redis may take.
    pub timeout: Duration,
    /// `SESSION_RETRY_AFTER`, default 1 s: when clients may ask again that were answered with 503.
    pub retry_after: Duration,
    /// How long clients may take, and how many may be connected.
    pub http: HttpLimits,
    /// What one client may cost the others.
    pub limits: Limits,
    /// Who may ask for metrics and readiness. Default: everybody.
    pub operations: Operations,
    /// `RUST_LOG`, default `info`.
    pub log_filter: String,
    /// Variables that are no settings but start as settings do; of no effect.
    pub unknown: Vec<String>,
    /// Whether a `.env` file of the working directory was read.
    pub has_env_file: bool,
    site_origins: Option<Vec<String>>,
    api_origins: Option<Vec<String>>,
}

impl Settings {
    /// The settings of this process: its environment, and a `.env` file in the working directory or above it for what
    /// the environment does not set.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(service: Service) -> Result<Self, SettingsError> {
        let read = env_file::read()?;
        let has_env_file = read.is_some();
        let file = read.unwrap_or_default();
        if let Some(name) =
            names::KNOWN.iter().find(|name| std::env::var_os(name).is_some_and(|v| v.to_str().is_none()))
        {
            return Err(SettingsError(format!("{name} is not valid UTF-8")));
        }
        let environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let unknown = unknown(environment.chain(file.iter().map(|(name, _)| name.clone())))?;
        let settings = Self::from_env(
            |name| {
                let in_file = || file.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
                std::env::var(name).ok().or_else(in_file)
            },
            service,
        )?;
        Ok(Self { unknown, has_env_file, ..settings })
    }

    /// The settings that `vars` holds, for `service`. Reads nothing else and changes nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_env(vars: impl Fn(&str) -> Option<String>, service: Service) -> Result<Self, SettingsError> {
        let reader = Reader::new(&vars);
        let site_addr = reader.address("SITE_ADDR", SITE_PORT)?;
        let api_addr = reader.address("API_ADDR", API_PORT)?;
        let profile = reader.choice("SESSION_PROFILE", &SessionProfile::NAMES, SessionProfile::Native)?;
        let database_url = DatabaseUrl::read(&reader)?;
        let session_url = SessionUrl::read(&reader, profile, &database_url)?;
        let sentinel_login = SentinelLogin::read(&reader, &session_url)?;
        let replicas = reader.count("SESSION_REPLICAS", MAX_REPLICAS)?;
        let fenced_reads = reader.switch("SESSION_FENCED_READS", false)?;
        let near_cache = reader.switch("NEAR_CACHE", false)?;
        let redis_only = [
            (replicas > 0, format!("SESSION_REPLICAS is {replicas}")),
            (fenced_reads, "SESSION_FENCED_READS is on".to_owned()),
            (near_cache, "NEAR_CACHE is on".to_owned()),
        ];
        if let Some((_, what)) = redis_only.into_iter().find(|(is_set, _)| *is_set && !session_url.is_redis()) {
            return Err(SettingsError(format!("{what}; it needs sessions in Redis (SESSION_URL=redis://…)")));
        }
        let durable = reader.switch("SESSION_DURABLE", false)?;
        if durable && let Some(needed) = refuses_durable(profile, &session_url, near_cache) {
            return Err(SettingsError(format!("SESSION_DURABLE is on; it needs {needed}")));
        }
        let (secret_key, secret_key_fallbacks) = secret_keys(&reader, profile, &session_url, &database_url)?;
        let listen_addr = if service == Service::Site { site_addr } else { api_addr };
        let (idle, absolute) = lifetimes(&reader)?;
        let remembered = reader.seconds("SESSION_REMEMBER_AGE", absolute.as_secs(), MAX_SECONDS)?;
        Ok(Self {
            service,
            site_addr,
            api_addr,
            session_url,
            sentinel_login,
            database_url,
            data_dir: reader.text("DATA_DIR").unwrap_or_else(|| ".data".into()).into(),
            secret_key,
            secret_key_fallbacks,
            profile,
            encryption: SessionEncryption::read(&reader, profile)?,
            key_prefix: reader.key_prefix(if profile.is_django() { "" } else { "shared_session:" })?,
            key_version: reader.key_version()?,
            django: DjangoSettings {
                codec: reader.choice(
                    "DJANGO_CODEC",
                    &[("pickle", DjangoCodec::Pickle), ("json", DjangoCodec::Json), ("msgpack", DjangoCodec::MsgPack)],
                    DjangoCodec::Pickle,
                )?,
                time_zone: reader.time_zone("DJANGO_TIME_ZONE")?,
                user_table: reader.table("AUTH_USER_TABLE", "auth_user")?,
                username_field: reader.column("AUTH_USERNAME_FIELD", "username")?,
                email_field: reader.column("AUTH_EMAIL_FIELD", "email")?,
                backend: reader.dotted_path("AUTH_BACKEND", MODEL_BACKEND)?,
            },
            cookie: cookie(&reader, profile, !listen_addr.ip().to_canonical().is_loopback())?,
            trusted_proxies: reader.networks("TRUSTED_PROXIES")?,
            site_prefix: reader.prefix("SITE_PREFIX")?,
            idle,
            absolute,
            remembered,
            save_every_request: reader.switch("SESSION_SAVE_EVERY_REQUEST", false)?,
            replicas,
            fenced_reads,
            near_cache,
            durable,
            timeout: reader.milliseconds("SESSION_TIMEOUT_MS", 300, MAX_TIMEOUT_MS)?,
            retry_after: reader.seconds("SESSION_RETRY_AFTER", 1, MAX_RETRY_AFTER)?,
            http: HttpLimits {
                idle: reader.seconds("HTTP_IDLE_TIMEOUT", 10, MAX_HTTP_SECONDS)?,
                request: reader.seconds("HTTP_REQUEST_TIMEOUT", 30, MAX_HTTP_SECONDS)?,
                connections: reader.count_from("HTTP_CONNECTIONS", 1024, 1, MAX_CONNECTIONS)?,
            },
            limits: Limits::read(&reader, profile.is_django(), idle)?,
            operations: Operations {
                addr: reader.optional_address("OPERATIONS_ADDR")?,
                token: reader.secret("OPERATIONS_TOKEN", MIN_TOKEN_BYTES)?,
            },
            log_filter: reader.log_filter("RUST_LOG")?,
            unknown: Vec::new(),
            has_env_file: false,
            site_origins: reader.origins("SITE_ORIGIN")?,
            api_origins: reader.origins("API_ORIGIN")?,
        })
    }

    /// Where this service listens.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        match self.service {
            Service::Site => self.site_addr,
            Service::Api => self.api_addr,
        }
    }

    /// The database file of an embedded start. Sessions and users share it.
    #[must_use]
    pub fn embedded_database(&self) -> PathBuf {
        self.data_dir.join("shared-session.sqlite3")
    }

    /// What users sign in with.
    #[must_use]
    pub fn sign_in_names(&self) -> SignInNames {
        let is_email = self.profile.is_django() && self.django.username_field == self.django.email_field;
        if is_email { SignInNames::Emails } else { SignInNames::UserNames }
    }

    /// The permission to change users, as Django names it: after the app and the model that the table is named for.
    #[must_use]
    pub fn permission_to_change_users(&self) -> String {
        let table = self.django.user_table.rsplit('.').next().unwrap_or_default();
        let (app, model) = table.rsplit_once('_').unwrap_or(("auth", "user"));
        format!("{app}.change_{model}")
    }

    /// Whether the users live in the embedded file, so that the first start makes the user `demo`.
    #[must_use]
    pub fn has_embedded_users(&self) -> bool {
        self.database_url == DatabaseUrl::Embedded
    }

    /// The origins that may send unsafe requests and read answers: `SITE_ORIGIN` and `API_ORIGIN`.
    ///
    /// Where one is unset: `http://localhost` and `http://127.0.0.1` with the two default ports, the configured ports
    /// and the port that this service is bound to.
    #[must_use]
    pub fn allowed_origins(&self, bound: SocketAddr) -> BTreeSet<String> {
        let local = [SITE_PORT, API_PORT, self.site_addr.port(), self.api_addr.port(), bound.port()];
        [&self.site_origins, &self.api_origins]
            .into_iter()
            .flat_map(|configured| match configured {
                Some(origins) => origins.clone(),
                None => local.iter().filter(|port| **port != 0).flat_map(|port| local_origins(*port)).collect(),
            })
            .collect()
    }

    /// The origin of `site` to link to from a page that was asked for under `host` (a `Host` header).
    #[must_use]
    pub fn site_origin(&self, host: Option<&str>) -> String {
        same_host(self.site_origins.as_deref(), self.site_addr.port(), SITE_PORT, host)
    }

    /// The origin of `api` to link to from a page that was asked for under `host` (a `Host` header).
    ///
    /// The header only picks one of the configured origins, so that a visitor of `127.0.0.1` is not sent to
    /// `localhost`, where the cookie does not go.
    #[must_use]
    pub fn api_origin(&self, host: Option<&str>) -> String {
        same_host(self.api_origins.as_deref(), self.api_addr.port(), API_PORT, host)
    }
}

fn local_origins(port: u16) -> [String; 2] {
    ["localhost", "127.0.0.1"].map(|host| url::origin("http", host, Some(port)))
}

fn same_host(configured: Option<&[String]>, port: u16, default_port: u16, host: Option<&str>) -> String {
    let local = local_origins(if port == 0 { default_port } else { port });
    let origins = configured.unwrap_or(&local);
    let hostname = |text: &str| url::without_port(text).to_ascii_lowercase();
    let wanted = host.map(hostname);
    origins
        .iter()
        .find(|origin| origin.split_once("://").map(|(_, host)| hostname(host)) == wanted)
        .unwrap_or(&origins[0])
        .clone()
}

/// What `SESSION_DURABLE` lacks.
fn refuses_durable(profile: SessionProfile, session_url: &SessionUrl, near_cache: bool) -> Option<&'static str> {
    match () {
        () if profile.is_django() => Some("SESSION_PROFILE=native"),
        () if !session_url.is_redis() => Some("a Redis for the copies (SESSION_URL=redis://…)"),
        () if near_cache => Some("NEAR_CACHE=off, which keeps what Redis announces"),
        () => None,
    }
}

fn secret_keys(
    reader: &Reader<'_>,
    profile: SessionProfile,
    session_url: &SessionUrl,
    database_url: &DatabaseUrl,
) -> Result<(Option<Secret>, Vec<Secret>), SettingsError> {
    let min_bytes = if profile.is_django() { 1 } else { MIN_KEY_BYTES };
    let key = reader.secret("SECRET_KEY", min_bytes)?;
    if key.is_none() {
        let reason = match (session_url, database_url) {
            _ if profile.is_django() => Some("Django's SECRET_KEY, because SESSION_PROFILE is a Django profile"),
            (_, DatabaseUrl::Postgres(_)) => Some("at least 32 bytes, because DATABASE_URL is a PostgreSQL database"),
            (SessionUrl::Embedded, _) => None,
            _ => Some("at least 32 bytes, because SESSION_URL or REDIS_URL is set"),
        };
        if let Some(reason) = reason {
            return Err(SettingsError(format!("SECRET_KEY is not set; expected {reason}")));
        }
    }
    Ok((key, reader.secrets("SECRET_KEY_FALLBACKS", min_bytes)?))
}

fn cookie(
    reader: &Reader<'_>,
    profile: SessionProfile,
    secure_by_default: bool,
) -> Result<CookieSettings, SettingsError> {
    let cookie = CookieSettings {
        name: reader.cookie_name("SESSION_COOKIE_NAME", "shared_session_id")?,
        domain: reader.domain("SESSION_COOKIE_DOMAIN")?,
        path: reader.cookie_path("SESSION_COOKIE_PATH")?,
        former_domains: reader.domains("SESSION_COOKIE_FORMER_DOMAINS")?,
        former_paths: reader.cookie_paths("SESSION_COOKIE_FORMER_PATHS")?,
        secure: reader.switch("SESSION_COOKIE_SECURE", secure_by_default)?,
        same_site: reader.choice(
            "SESSION_COOKIE_SAMESITE",
            &[("Lax", SameSite::Lax), ("Strict", SameSite::Strict), ("None", SameSite::None)],
            SameSite::Lax,
        )?,
        signed: SignedCookie::read(reader, profile)?,
        of_the_browser: reader.switch("SESSION_EXPIRE_AT_BROWSER_CLOSE", false)?,
    };
    // Browsers drop cookies that break these rules (RFC 6265bis, 5.7).
    let lowercase = cookie.name.to_ascii_lowercase();
    let of_one_host = lowercase.starts_with("__host-");
    let was_elsewhere = !cookie.former_domains.is_empty() || !cookie.former_paths.is_empty();
    let broken = match () {
        () if cookie.same_site == SameSite::None && !cookie.secure => {
            "SESSION_COOKIE_SAMESITE is None; it needs a secure cookie (SESSION_COOKIE_SECURE)"
        }
        () if of_one_host && (!cookie.secure || cookie.domain.is_some()) => {
            "SESSION_COOKIE_NAME starts with __Host-; it needs a secure cookie without SESSION_COOKIE_DOMAIN \
             (SESSION_COOKIE_SECURE)"
        }
        () if of_one_host && cookie.path != "/" => {
            "SESSION_COOKIE_NAME starts with __Host-; it needs SESSION_COOKIE_PATH=/ or another name"
        }
        () if of_one_host && was_elsewhere => {
            "SESSION_COOKIE_NAME starts with __Host-, and such a cookie never had another domain or path; remove \
             SESSION_COOKIE_FORMER_DOMAINS and SESSION_COOKIE_FORMER_PATHS"
        }
        () if lowercase.starts_with("__secure-") && !cookie.secure => {
            "SESSION_COOKIE_NAME starts with __Secure-; it needs a secure cookie (SESSION_COOKIE_SECURE)"
        }
        () => return Ok(cookie),
    };
    Err(SettingsError(broken.to_owned()))
}

fn lifetimes(reader: &Reader<'_>) -> Result<(Duration, Duration), SettingsError> {
    let idle = reader.seconds("SESSION_IDLE", 1_209_600, MAX_SECONDS)?;
    let absolute = reader.seconds("SESSION_ABSOLUTE", 7_776_000, MAX_SECONDS)?;
    if idle > absolute {
        let (idle, absolute) = (idle.as_secs(), absolute.as_secs());
        return Err(SettingsError(format!(
            "SESSION_IDLE is {idle}; expected at most SESSION_ABSOLUTE, which is {absolute}"
        )));
    }
    Ok((idle, absolute))
}

#[cfg(test)]
mod tests;
