//! The settings of both services: read from the environment, checked before anything starts.
//!
//! - An empty variable counts as an unset one.
//! - An invalid value stops the start with one line: the variable, the value (never a secret), and the expected form.
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

mod authority;
mod bearer_tokens;
mod cookie;
mod databases;
mod django;
mod encryption;
pub mod env_file;
mod error;
mod http_limits;
mod lifetimes;
mod limits;
mod list;
mod names;
mod operations;
mod origins;
mod profile;
mod reader;
mod redis_options;
mod redis_tls;
mod secret;
mod secret_keys;
mod sentinel;
mod service;
mod signed_cookies;
#[cfg(test)]
pub(crate) mod testing;
mod url;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub(crate) use self::error::explained;
pub use self::{
    cookie::CookieSettings,
    django::{DjangoCodec, DjangoSettings},
    encryption::SessionEncryption,
    error::SettingsError,
    http_limits::HttpLimits,
    limits::Limits,
    list::{SUPERUSER_PASSWORD, help},
    names::unknown,
    operations::Operations,
    profile::SessionProfile,
    redis_tls::RedisTls,
    secret::Secret,
    sentinel::SentinelLogin,
    service::Service,
    signed_cookies::SignedCookie,
    url::{DatabaseUrl, SessionUrl},
};
use self::{lifetimes::Lifetimes, reader::Reader, redis_options::RedisOptions};
use crate::{forms::SignInNames, network::Network, prefix::Prefix};

const SITE_PORT: u16 = 8000;
const API_PORT: u16 = 8001;
const MAX_TIMEOUT_MS: u64 = 60_000;
const MAX_RETRY_AFTER: u64 = 86_400;

/// All settings of the environment. `docs/` and `.env.example` describe the variables for operators.
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
    /// Certificates for a Redis with TLS, default none.
    pub redis_tls: RedisTls,
    /// `DATABASE_URL`, default embedded.
    pub database_url: DatabaseUrl,
    /// `DATA_DIR`, default `.data`.
    pub data_dir: PathBuf,
    /// `SECRET_KEY`. `None`: an embedded start with the key in [`data_dir`](Self::data_dir).
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
    /// Settings that only Django profiles use.
    pub django: DjangoSettings,
    /// The session cookie.
    pub cookie: CookieSettings,
    /// `API_BEARER_TOKENS`, default off: `api` accepts sessions as bearer tokens too.
    pub bearer_tokens: bool,
    /// `TRUSTED_PROXIES`, default none: the proxies whose `X-Forwarded-For` and `X-Forwarded-Prefix` are trusted.
    pub trusted_proxies: Vec<Network>,
    /// `SITE_PREFIX`, default none: the path under which visitors see `site`.
    pub site_prefix: Prefix,
    /// `SESSION_IDLE`, default 14 days: how long a session lives unused.
    pub idle: Duration,
    /// `SESSION_ABSOLUTE`, default 90 days: how long a session lives at most.
    pub absolute: Duration,
    /// `SESSION_REMEMBER_AGE`, default `SESSION_ABSOLUTE`: how long a session lives unused if its user asked to stay
    /// signed in.
    pub remembered: Duration,
    /// `SESSION_SAVE_EVERY_REQUEST`, default off: each request that loads its session extends it, and its cookie.
    pub save_every_request: bool,
    /// `SESSION_REPLICAS`, default 0: how many replicas must have a write before it is acknowledged.
    pub replicas: u32,
    /// `SESSION_FENCED_READS`, default off: a Redis that must not accept writes is not read from either.
    pub fenced_reads: bool,
    /// `NEAR_CACHE`, default off.
    pub near_cache: bool,
    /// `USER_CACHE`, default off: users' rows are cached for a few seconds.
    pub user_cache: bool,
    /// `SESSION_DURABLE`, default off: sessions are kept in the users' database, with copies in Redis.
    pub durable: bool,
    /// `SESSION_TIMEOUT_MS`, default 300 ms: how long one call to Redis may take.
    pub timeout: Duration,
    /// `SESSION_RETRY_AFTER`, default 1 s: when clients may retry after a 503.
    pub retry_after: Duration,
    /// Time limits for clients, and the limit of connections.
    pub http: HttpLimits,
    /// Limits on sessions and sign-ins.
    pub limits: Limits,
    /// Access to metrics and readiness. Default: open to all.
    pub operations: Operations,
    /// `RUST_LOG`, default `info`.
    pub log_filter: String,
    /// Unknown variables whose names start like settings; ignored.
    pub unknown: Vec<String>,
    /// Whether a `.env` file of the working directory was read.
    pub has_env_file: bool,
    site_origins: Option<Vec<String>>,
    api_origins: Option<Vec<String>>,
}

impl Settings {
    /// The settings of this process: its environment, and for variables that are not set there the `.env` file of the
    /// working directory.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn load(service: Service) -> Result<Self, SettingsError> {
        let read = env_file::read()?;
        let has_env_file = read.is_some();
        let file = read.unwrap_or_default();
        if let Some(name) = names::known().find(|name| std::env::var_os(name).is_some_and(|v| v.to_str().is_none())) {
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
    /// The first invalid setting.
    pub fn from_env(vars: impl Fn(&str) -> Option<String>, service: Service) -> Result<Self, SettingsError> {
        let reader = Reader::new(&vars);
        let site_addr = reader.address("SITE_ADDR", SITE_PORT)?;
        let api_addr = reader.address("API_ADDR", API_PORT)?;
        let profile = SessionProfile::read(&reader)?;
        let database_url = DatabaseUrl::read(&reader)?;
        let session_url = SessionUrl::read(&reader, profile, &database_url)?;
        let sentinel_login = SentinelLogin::read(&reader, &session_url)?;
        let redis_tls = RedisTls::read(&reader, &session_url)?;
        let RedisOptions { replicas, fenced_reads, near_cache, durable } =
            RedisOptions::read(&reader, profile, &session_url)?;
        let (secret_key, secret_key_fallbacks) = secret_keys::read(&reader, profile, &session_url, &database_url)?;
        let listen_addr = if service == Service::Site { site_addr } else { api_addr };
        let Lifetimes { idle, absolute, remembered } = Lifetimes::read(&reader)?;
        Ok(Self {
            service,
            site_addr,
            api_addr,
            session_url,
            sentinel_login,
            redis_tls,
            database_url,
            data_dir: reader.text("DATA_DIR").unwrap_or_else(|| ".data".into()).into(),
            secret_key,
            secret_key_fallbacks,
            profile,
            encryption: SessionEncryption::read(&reader, profile)?,
            key_prefix: reader.key_prefix(if profile.is_django() { "" } else { "shared_session:" })?,
            key_version: reader.key_version()?,
            django: DjangoSettings::read(&reader)?,
            cookie: CookieSettings::read(&reader, profile, !listen_addr.ip().to_canonical().is_loopback())?,
            bearer_tokens: bearer_tokens::read(&reader)?,
            trusted_proxies: reader.networks("TRUSTED_PROXIES")?,
            site_prefix: reader.prefix("SITE_PREFIX")?,
            idle,
            absolute,
            remembered,
            save_every_request: reader.switch("SESSION_SAVE_EVERY_REQUEST", false)?,
            replicas,
            fenced_reads,
            near_cache,
            user_cache: reader.switch("USER_CACHE", false)?,
            durable,
            timeout: reader.milliseconds("SESSION_TIMEOUT_MS", 300, MAX_TIMEOUT_MS)?,
            retry_after: reader.seconds("SESSION_RETRY_AFTER", 1, MAX_RETRY_AFTER)?,
            http: HttpLimits::read(&reader)?,
            limits: Limits::read(&reader, profile.is_django(), idle)?,
            operations: Operations::read(&reader)?,
            log_filter: reader.log_filter("RUST_LOG")?,
            unknown: Vec::new(),
            has_env_file: false,
            site_origins: reader.origins("SITE_ORIGIN")?,
            api_origins: reader.origins("API_ORIGIN")?,
        })
    }

    /// The address on which this service listens.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        match self.service {
            Service::Site => self.site_addr,
            Service::Api => self.api_addr,
        }
    }

    /// The kind of name that users sign in with.
    #[must_use]
    pub fn sign_in_names(&self) -> SignInNames {
        let is_email = self.profile.is_django() && self.django.username_field == self.django.email_field;
        if is_email { SignInNames::Emails } else { SignInNames::UserNames }
    }

    /// Django's name of the permission to change users: its app and model are those that the table is named after.
    #[must_use]
    pub fn permission_to_change_users(&self) -> String {
        let table = self.django.user_table.rsplit('.').next().unwrap_or_default();
        let (app, model) = table.rsplit_once('_').unwrap_or(("auth", "user"));
        format!("{app}.change_{model}")
    }
}

#[cfg(test)]
mod tests {
    use shared_session::cookie::SameSite;

    use super::{
        testing::{assert_refused, read, refusal, site},
        *,
    };

    #[test]
    fn nothing_set_is_an_embedded_start() {
        let settings = site(&[]);
        assert_eq!(settings.listen_addr(), "127.0.0.1:8000".parse().unwrap());
        assert_eq!(read(&[], Service::Api).unwrap().listen_addr(), "127.0.0.1:8001".parse().unwrap());
        assert_eq!(
            (settings.session_url.clone(), settings.database_url.clone()),
            (SessionUrl::Embedded, DatabaseUrl::Embedded)
        );
        assert_eq!(settings.embedded_database(), PathBuf::from(".data/shared-session.sqlite3"));
        assert!(settings.has_embedded_users());
        assert_eq!((settings.secret_key.clone(), settings.secret_key_fallbacks.len()), (None, 0));
        assert_eq!(settings.profile, SessionProfile::Native);
        assert_eq!((settings.key_prefix.as_str(), settings.key_version), ("shared_session:", 1));
        let cookie = CookieSettings {
            name: "shared_session_id".into(),
            domain: None,
            path: "/".into(),
            former_domains: Vec::new(),
            former_paths: Vec::new(),
            secure: false,
            same_site: SameSite::Lax,
            expires_at_browser_close: false,
            signed: SignedCookie::Off,
        };
        assert_eq!(settings.cookie, cookie);
        assert!(!settings.save_every_request && !settings.bearer_tokens);
        assert_eq!((settings.idle.as_secs(), settings.absolute.as_secs()), (1_209_600, 7_776_000));
        assert_eq!((settings.trusted_proxies.len(), settings.near_cache, settings.durable), (0, false, false));
        assert!(!settings.user_cache);
        assert_eq!((settings.timeout.as_millis(), settings.retry_after.as_secs()), (300, 1));
        assert_eq!((settings.replicas, settings.fenced_reads), (0, false));
        assert_eq!(settings.log_filter, "info");
        assert_eq!(settings.django.codec, DjangoCodec::Pickle);
        assert_eq!(settings.django.user_table, "auth_user");
        assert_eq!(settings.django.backend, "django.contrib.auth.backends.ModelBackend");
    }

    #[test]
    fn empty_variables_are_unset_ones() {
        let empty: Vec<_> = names::known().map(|name| (name, " ")).collect();
        assert_eq!(read(&empty, Service::Site), read(&[], Service::Site));
    }

    #[test]
    fn addresses() {
        let settings = site(&[("SITE_ADDR", "[::]:0"), ("API_ADDR", "localhost:9001")]);
        assert_eq!(settings.site_addr, "[::]:0".parse().unwrap());
        assert_eq!(settings.api_addr, "127.0.0.1:9001".parse().unwrap());
        for name in ["SITE_ADDR", "API_ADDR"] {
            assert_refused(
                name,
                &["8000", "127.0.0.1", "127.0.0.1:65536", "example.com:80", ":80", "localhost:", "localhost:+1"],
            );
        }
    }

    #[test]
    fn the_data_directory_holds_the_embedded_files() {
        assert_eq!(
            site(&[("DATA_DIR", "/var/lib/x")]).embedded_database(),
            PathBuf::from("/var/lib/x/shared-session.sqlite3")
        );
    }

    #[test]
    fn keys() {
        let settings = site(&[("SESSION_KEY_PREFIX", "shop:{a}"), ("SESSION_KEY_VERSION", "7")]);
        assert_eq!((settings.key_prefix.as_str(), settings.key_version), ("shop:{a}", 7));
        assert_refused("SESSION_KEY_PREFIX", &["a b", "a\tb", "a\u{7f}"]);
        assert!(refusal(&[("SESSION_KEY_PREFIX", &"x".repeat(101))]).len() < 200);
        assert_refused("SESSION_KEY_VERSION", &["one", "-1", "+1", "4294967296"]);
    }

    #[test]
    fn users_can_be_kept_wherever_they_are() {
        assert!(site(&[("USER_CACHE", "on")]).user_cache && !site(&[("USER_CACHE", "off")]).user_cache);
        let django = [("SESSION_PROFILE", "django-db"), ("SECRET_KEY", "k"), ("DATABASE_URL", "sqlite://db.sqlite3")];
        assert!(site(&[&django[..], &[("USER_CACHE", "on")]].concat()).user_cache);
        assert_refused("USER_CACHE", &["5", "5s", "redis"]);
    }

    #[test]
    fn trusted_proxies() {
        let proxies = site(&[("TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,127.0.0.1")]).trusted_proxies;
        assert_eq!(proxies, ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"].map(|text| Network::parse(text).unwrap()));
        assert_refused("TRUSTED_PROXIES", &["10.0.0.0/33", "10.0.0.1/8", "proxy.example", "all"]);
    }

    #[test]
    fn times_of_an_outage() {
        let settings = site(&[("SESSION_TIMEOUT_MS", "150"), ("SESSION_RETRY_AFTER", "5")]);
        assert_eq!((settings.timeout.as_millis(), settings.retry_after.as_secs()), (150, 5));
        assert_refused("SESSION_TIMEOUT_MS", &["0", "-1", "+5", "300ms", "0.3", "60001"]);
        assert_refused("SESSION_RETRY_AFTER", &["0", "-1", "+5", "1s", "1.5", "86401"]);
    }

    #[test]
    fn log_filters() {
        assert_eq!(site(&[("RUST_LOG", "warn,site=debug")]).log_filter, "warn,site=debug");
        assert_refused("RUST_LOG", &["site=loud"]);
    }
}
