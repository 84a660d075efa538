//! The store and the format of sessions: from settings to a session manager.

use std::time::Duration;

use shared_session::{
    Error, ErrorKind, FleetCheck, NearCache, Profile, Sealing, SecretKeys, SessionManager,
    cookie::SignedCookies,
    django::{Codec, Django, DjangoCachedDbStore, DjangoDbStore},
    store::{Persistence, RedisConfig, RedisStore, SqlStore, TieredStore},
};

use crate::{
    settings::{
        DjangoCodec, RedisTls, SessionEncryption, SessionProfile, SessionUrl, Settings, SettingsError, SignedCookie,
    },
    setup::{embedded_url, explained, users_url},
};

const PURGE_EVERY: Duration = Duration::from_secs(300);
/// How long the start waits for the check of the stored sessions, outside of Django's profiles.
const LOOK: Duration = Duration::from_secs(2);
/// How long a write waits for replicas: the same as for its reply.
const REPLICAS_TIMEOUT: Duration = Duration::from_millis(300);

/// The policy of a Redis that refuses writes when its memory is full.
const KEEPS_ALL: &str = "noeviction";
const EVICTS: &str =
    "Redis drops keys when its memory is full, and with them sessions: set its maxmemory-policy to noeviction";

/// The warning for a Redis that keeps nothing on disk.
const FORGETS: &str = "Redis keeps nothing on disk, so its restart ends every session: set its appendonly to yes";

/// The manager over the store and the wire format that the settings name.
///
/// # Errors
/// One line with the setting to change.
pub async fn open(settings: &Settings, keys: &SecretKeys) -> Result<SessionManager, Error> {
    let prefix = settings.key_prefix.as_str();
    let fleet = |django: Django| {
        let backend = settings.django.backend.as_str();
        let django = django.with_key_prefix(prefix).with_version(settings.key_version).with_auth_backend(backend);
        match &settings.django.time_zone {
            Some(zone) => django.with_time_zone(zone.clone()),
            None => django,
        }
    };
    if settings.near_cache && settings.profile.is_django() {
        return Err(Error::new(ErrorKind::Config, "NEAR_CACHE is on; it needs SESSION_PROFILE=native"));
    }
    match settings.profile {
        SessionProfile::Native => {
            let manager = open_native(settings).await?.with_profile(native(settings, keys)?);
            signed(settings, keys, manager)
        }
        SessionProfile::DjangoCache => Ok(SessionManager::new(redis(settings).await?)
            .with_profile(Profile::django(fleet(Django::cache().with_codec(codec(settings, 5)))))),
        SessionProfile::DjangoRedis => Ok(SessionManager::new(redis(settings).await?)
            .with_profile(Profile::django(fleet(Django::redis().with_codec(codec(settings, 4)))))),
        SessionProfile::DjangoDb => {
            let rows = rows(settings, "SESSION_URL", &database_url(settings)).await?;
            Ok(SessionManager::new(rows).with_profile(Profile::django(fleet(Django::db(keys.clone())))))
        }
        SessionProfile::DjangoCachedDb => {
            let rows = rows(settings, "DATABASE_URL", &users_url(settings)).await?;
            let (fleet, codec) = (fleet(Django::cached_db(keys.clone())), codec(settings, 5));
            let (prefix, copied) = (fleet.cached_db_prefix(), fleet.clone());
            let store = DjangoCachedDbStore::new(rows, redis(settings).await?, prefix, move |row| {
                copied.cached_db_copy(row, codec)
            });
            check_copies(&store).await?;
            Ok(SessionManager::new(store).with_profile(Profile::django(fleet)))
        }
    }
}

/// `manager` with signed cookies, if the settings ask for them.
fn signed(settings: &Settings, keys: &SecretKeys, manager: SessionManager) -> Result<SessionManager, Error> {
    let cookies = match settings.cookie.signed {
        SignedCookie::Off => return Ok(manager),
        SignedCookie::WriteUnsigned => SignedCookies::new(keys)?.write_unsigned(),
        SignedCookie::AcceptUnsigned => SignedCookies::new(keys)?.accept_unsigned(),
        SignedCookie::On => SignedCookies::new(keys)?,
    };
    manager.with_signed_cookies(cookies)
}

/// The native profile, encrypted or not.
fn native(settings: &Settings, keys: &SecretKeys) -> Result<Profile, Error> {
    let prefix = settings.key_prefix.as_str();
    let sealing = || Sealing::new(keys);
    Ok(match settings.encryption {
        SessionEncryption::Off => Profile::native(prefix),
        SessionEncryption::WritePlain => Profile::sealed(prefix, sealing()?.write_plain()),
        SessionEncryption::AcceptPlain => Profile::sealed(prefix, sealing()?.accept_plain()),
        SessionEncryption::On => Profile::sealed(prefix, sealing()?),
    })
}

/// Checks that this service fits the stored sessions, and logs the checks that were not possible.
///
/// # Errors
/// In a Django fleet one line if something does not match or the store does not answer: a service must not write
/// without this check. Outside of Django's profiles a mismatch is only logged: other services may use the same store,
/// the secret key is replaced after a leak, and a Redis that is down does not stop the start.
pub async fn verify(settings: &Settings, manager: &SessionManager) -> Result<(), Error> {
    let found = if settings.profile.is_django() {
        verify_django(manager).await?
    } else {
        match tokio::time::timeout(LOOK, manager.check_fleet()).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.kind() == ErrorKind::Config => {
                tracing::warn!(%error, "check SESSION_KEY_PREFIX and SECRET_KEY, if these sessions are to be shared");
                return Ok(());
            }
            Ok(Err(error)) => {
                tracing::info!(%error, "key prefix and secret key are not checked: the sessions cannot be listed");
                return Ok(());
            }
            Err(_) => {
                tracing::info!("key prefix and secret key are not checked: the sessions cannot be listed in time");
                return Ok(());
            }
        }
    };
    if found.sessions > 0 {
        tracing::info!(sessions = found.sessions, users = found.users, "this service fits the sessions in the store");
    }
    if let Some(line) = found.unchecked() {
        tracing::info!("{line}");
    }
    Ok(())
}

/// The rows do not show where Django keeps their copies, so this checks the copies themselves.
async fn check_copies(store: &DjangoCachedDbStore) -> Result<(), Error> {
    match store.check_copies().await {
        Ok(true) => Ok(()),
        Ok(false) => {
            tracing::info!("no copy of a session found under this key prefix: the prefix is not checked");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Config => {
            let settings = "SESSION_KEY_PREFIX and SESSION_KEY_VERSION must be those of the fleet";
            Err(Error::new(ErrorKind::Config, format!("{settings}: {error}")))
        }
        Err(error) => {
            tracing::warn!(%error, "the key prefix of the copies of sessions is not checked");
            Ok(())
        }
    }
}

async fn verify_django(manager: &SessionManager) -> Result<FleetCheck, Error> {
    until_available(async || manager.check_fleet().await).await.map_err(|error| match error.kind() {
        ErrorKind::Config => {
            let settings = "SESSION_PROFILE, SESSION_KEY_PREFIX, SESSION_IDLE, DJANGO_CODEC, DJANGO_TIME_ZONE (with \
                            USE_TZ=False, Django's TIME_ZONE) and SECRET_KEY must be those of the fleet";
            Error::new(ErrorKind::Config, format!("{settings}: {error}"))
        }
        _ => explained("SESSION_URL", &error),
    })
}

/// Retries for some seconds: services and their stores are often started together.
async fn until_available<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..20 {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tracing::info!(%error, "waiting for the sessions"),
            asked => return asked,
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ask().await
}

async fn open_native(settings: &Settings) -> Result<SessionManager, Error> {
    if settings.durable {
        // This Redis may drop its copies.
        let rows = own_rows("DATABASE_URL", &users_url(settings)).await?;
        return Ok(SessionManager::new(TieredStore::new(connect(settings)?, rows)));
    }
    if settings.session_url.is_redis() {
        let store = redis(settings).await?;
        let manager = SessionManager::new(store);
        if !settings.near_cache {
            return Ok(manager);
        }
        return manager.with_near_cache(NearCache::new()).map_err(|error| explained("NEAR_CACHE", &error));
    }
    Ok(SessionManager::new(own_rows("SESSION_URL", &database_url(settings)).await?))
}

/// Our table in the database at `url`, created if it is missing. Deletes expired rows.
async fn own_rows(setting: &str, url: &str) -> Result<SqlStore, Error> {
    let rows = SqlStore::connect(url).await.map_err(|error| explained(setting, &error))?;
    rows.migrate().await.map_err(|error| explained(setting, &error))?;
    rows.spawn_purge(PURGE_EVERY);
    Ok(rows)
}

/// Django's table in the database at `url`, created by Django.
async fn rows(settings: &Settings, setting: &str, url: &str) -> Result<DjangoDbStore, Error> {
    let mut rows = DjangoDbStore::connect(url).await.map_err(|error| explained(setting, &error))?;
    if let Some(zone) = &settings.django.time_zone {
        rows = rows.with_time_zone(zone.clone()).await.map_err(|error| explained(setting, &error))?;
    }
    rows.check().await.map_err(|error| explained(setting, &error))?;
    Ok(rows)
}

/// The database that holds the sessions.
fn database_url(settings: &Settings) -> String {
    match &settings.session_url {
        SessionUrl::Sqlite(url) => url.clone(),
        SessionUrl::Postgres(url) => url.expose().to_owned(),
        _ => embedded_url(settings),
    }
}

/// The Redis that holds the sessions.
async fn redis(settings: &Settings) -> Result<RedisStore, Error> {
    let store = connect(settings)?;
    warn_of_eviction(&store).await;
    Ok(store)
}

fn connect(settings: &Settings) -> Result<RedisStore, Error> {
    let (SessionUrl::Redis(url) | SessionUrl::RedisSentinel(url) | SessionUrl::RedisCluster(url)) =
        &settings.session_url
    else {
        return Err(Error::new(ErrorKind::Config, "SESSION_URL: these sessions are kept in Redis"));
    };
    let config = RedisConfig::new()
        .with_response_timeout(settings.timeout)
        .with_replicas(settings.replicas, REPLICAS_TIMEOUT)
        .with_fenced_reads(settings.fenced_reads);
    let config = match &settings.sentinel_login {
        Some(login) => config.with_sentinel_login(&login.username, login.password.expose()),
        None => config,
    };
    let config = with_certificates(config, &settings.redis_tls)?;
    RedisStore::connect_lazy(url.expose(), &config).map_err(|error| explained("SESSION_URL", &error))
}

fn with_certificates(config: RedisConfig, tls: &RedisTls) -> Result<RedisConfig, Error> {
    let bad = |error: SettingsError| Error::new(ErrorKind::Config, error.to_string());
    let config = match tls.authorities_pem().map_err(bad)? {
        Some(pem) => config.with_root_certificates(pem),
        None => config,
    };
    Ok(match tls.client_pem().map_err(bad)? {
        Some([certificate, key]) => config.with_client_certificate(certificate, key),
        None => config,
    })
}

/// Checks that the configured Redis answers. One round trip.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if it does not.
pub(crate) async fn ping_redis(settings: &Settings) -> Result<(), Error> {
    SessionManager::new(connect(settings)?).ping().await
}

/// Warns of a Redis that drops keys when its memory is full, because that signs users out. The start goes on, also if
/// Redis is down or does not report its policy.
async fn warn_of_eviction(store: &RedisStore) {
    match store.eviction_policy().await {
        Ok(policy) if policy == KEEPS_ALL => {}
        Ok(policy) => tracing::warn!(%policy, "{EVICTS}"),
        Err(error) => tracing::debug!(%error, "Redis does not tell what it does when its memory is full"),
    }
}

/// The warnings of a check about the configured Redis: the data that it may lose, or that it does not report this.
/// Empty if Redis keeps copies only. Up to three round trips.
///
/// # Errors
/// [`ErrorKind::Config`] if the settings cannot be used.
pub(crate) async fn warnings(settings: &Settings) -> Result<Vec<String>, Error> {
    if !settings.session_url.is_redis() || settings.durable {
        return Ok(Vec::new());
    }
    let store = connect(settings)?;
    let mut warnings = Vec::new();
    match store.eviction_policy().await {
        Ok(policy) if policy == KEEPS_ALL => {}
        Ok(policy) => warnings.push(format!("{EVICTS} (it is {policy})")),
        Err(error) => warnings.push(format!("Redis does not tell what it does when its memory is full: {error}")),
    }
    if settings.profile == SessionProfile::DjangoCachedDb {
        return Ok(warnings);
    }
    match store.persistence().await {
        Ok(Persistence::Nothing) => warnings.push(FORGETS.to_owned()),
        Ok(_) => {}
        Err(error) => warnings.push(format!("Redis does not tell whether it keeps its data on disk: {error}")),
    }
    Ok(warnings)
}

fn codec(settings: &Settings, protocol: u8) -> Codec {
    match settings.django.codec {
        DjangoCodec::Pickle => Codec::pickle_protocol(protocol),
        DjangoCodec::Json => Codec::json(),
        DjangoCodec::MsgPack => Codec::msgpack(),
    }
}
