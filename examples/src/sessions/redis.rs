//! The Redis that `SESSION_URL` names, and the warnings about it.

use std::time::Duration;

use shared_session::{
    Error, ErrorKind, SessionManager,
    store::{Persistence, RedisConfig, RedisStore},
};

use crate::settings::{RedisTls, SessionProfile, SessionUrl, Settings, explained};

/// The longest wait of a write for replicas: the same as for its reply.
const REPLICAS_TIMEOUT: Duration = Duration::from_millis(300);

/// The policy of a Redis that refuses writes when its memory is full.
const KEEPS_ALL: &str = "noeviction";
const EVICTS: &str =
    "Redis drops keys when its memory is full, and with them sessions: set its maxmemory-policy to noeviction";

/// The warning for a Redis that keeps nothing on disk.
const FORGETS: &str = "Redis keeps nothing on disk, so its restart ends every session: set its appendonly to yes";

/// The Redis that holds the sessions. Warns if it drops keys when its memory is full, because that signs users out. The
/// start goes on, also if Redis is down or does not report its policy.
pub(super) async fn open(settings: &Settings) -> Result<RedisStore, Error> {
    let store = connect(settings)?;
    match store.eviction_policy().await {
        Ok(policy) if policy == KEEPS_ALL => {}
        Ok(policy) => tracing::warn!(%policy, "{EVICTS}"),
        Err(error) => tracing::debug!(%error, "Redis does not report its policy for full memory"),
    }
    Ok(store)
}

/// The Redis in the settings, not yet connected.
pub(super) fn connect(settings: &Settings) -> Result<RedisStore, Error> {
    let (SessionUrl::Redis(url) | SessionUrl::RedisSentinel(url) | SessionUrl::RedisCluster(url)) =
        &settings.session_url
    else {
        return Err(Error::new(ErrorKind::Config, "SESSION_URL names no Redis; expected redis://…"));
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
    let config = match tls.authorities_pem()? {
        Some(pem) => config.with_root_certificates(pem),
        None => config,
    };
    Ok(match tls.client_pem()? {
        Some([certificate, key]) => config.with_client_certificate(certificate, key),
        None => config,
    })
}

/// Checks that the configured Redis answers. One round trip.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if it does not.
pub(crate) async fn ping(settings: &Settings) -> Result<(), Error> {
    SessionManager::new(connect(settings)?).ping().await
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
        Err(error) => warnings.push(format!("Redis does not report its policy for full memory: {error}")),
    }
    if settings.profile == SessionProfile::DjangoCachedDb {
        return Ok(warnings);
    }
    match store.persistence().await {
        Ok(Persistence::Nothing) => warnings.push(FORGETS.to_owned()),
        Ok(_) => {}
        Err(error) => warnings.push(format!("Redis does not report whether it keeps its data on disk: {error}")),
    }
    Ok(warnings)
}
