//! The sessions: from settings to a session manager.

pub(crate) mod fleet;
pub(crate) mod redis;

use std::time::Duration;

use shared_session::{
    Error, ErrorKind, Lifetime, NearCache, Profile, Sealing, SecretKeys, SessionLimit, SessionManager,
    cookie::SignedCookies,
    django::{Codec, Django, DjangoCachedDbStore, DjangoDbStore},
    store::{SqlStore, TieredStore},
    users::SqlUsers,
};

use crate::{
    cookies::session_cookie,
    settings::{DjangoCodec, SessionEncryption, SessionProfile, Settings, SignedCookie, explained},
};

const PURGE_EVERY: Duration = Duration::from_secs(300);

/// The manager of the sessions, in the store, the format and the cookie that the settings name.
///
/// # Errors
/// One line with the setting to change.
pub(crate) async fn open(settings: &Settings, keys: &SecretKeys, users: &SqlUsers) -> Result<SessionManager, Error> {
    let manager = in_profile(settings, keys)
        .await?
        .with_cookie(session_cookie(settings)?)
        .with_lifetime(lifetime(settings))
        .with_retry_after(settings.retry_after)
        .with_anonymous_max_size(settings.limits.anonymous_size)
        .with_users(users.clone(), keys.clone());
    Ok(match settings.limits.max_per_user {
        Some(most) => manager.with_session_limit(SessionLimit::EndOldest(most)),
        None => manager,
    })
}

fn lifetime(settings: &Settings) -> Lifetime {
    let lifetime = Lifetime::default()
        .with_idle(settings.idle)
        .with_anonymous(settings.limits.anonymous_age)
        .with_absolute(settings.absolute)
        .with_remembered(settings.remembered);
    if settings.save_every_request { lifetime.with_touch_after(0.0) } else { lifetime }
}

/// A manager over the store and the format of the profile, with default options.
async fn in_profile(settings: &Settings, keys: &SecretKeys) -> Result<SessionManager, Error> {
    match settings.profile {
        SessionProfile::Native => {
            let manager = over_native_store(settings).await?.with_profile(native(settings, keys)?);
            signed(settings, keys, manager)
        }
        SessionProfile::DjangoCache => {
            let django = of_fleet(settings, Django::cache().with_codec(codec(settings, 5)));
            Ok(SessionManager::new(redis::open(settings).await?).with_profile(Profile::django(django)))
        }
        SessionProfile::DjangoRedis => {
            let django = of_fleet(settings, Django::redis().with_codec(codec(settings, 4)));
            Ok(SessionManager::new(redis::open(settings).await?).with_profile(Profile::django(django)))
        }
        SessionProfile::DjangoDb => {
            let url = settings.sessions_database_url().ok_or_else(no_database)?;
            let rows = django_rows(settings, "SESSION_URL", &url).await?;
            let django = of_fleet(settings, Django::db(keys.clone()));
            Ok(SessionManager::new(rows).with_profile(Profile::django(django)))
        }
        SessionProfile::DjangoCachedDb => {
            let rows = django_rows(settings, "DATABASE_URL", &settings.users_database_url()).await?;
            let django = of_fleet(settings, Django::cached_db(keys.clone()));
            let (for_copies, codec) = (django.clone(), codec(settings, 5));
            let copy = move |row: &_| for_copies.cached_db_copy(row, codec);
            let redis = redis::open(settings).await?;
            let store = DjangoCachedDbStore::new(rows, redis, django.cached_db_prefix(), copy);
            fleet::check_copies(&store).await?;
            Ok(SessionManager::new(store).with_profile(Profile::django(django)))
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
    Ok(match settings.encryption {
        SessionEncryption::Off => Profile::native(prefix),
        SessionEncryption::WritePlain => Profile::sealed(prefix, Sealing::new(keys)?.write_plain()),
        SessionEncryption::AcceptPlain => Profile::sealed(prefix, Sealing::new(keys)?.accept_plain()),
        SessionEncryption::On => Profile::sealed(prefix, Sealing::new(keys)?),
    })
}

/// A manager over the store of the native profile.
async fn over_native_store(settings: &Settings) -> Result<SessionManager, Error> {
    if settings.durable {
        // This Redis may drop its copies, so its eviction policy does not matter.
        let rows = native_rows("DATABASE_URL", &settings.users_database_url()).await?;
        return Ok(SessionManager::new(TieredStore::new(redis::connect(settings)?, rows)));
    }
    if let Some(url) = settings.sessions_database_url() {
        return Ok(SessionManager::new(native_rows("SESSION_URL", &url).await?));
    }
    let manager = SessionManager::new(redis::open(settings).await?);
    match settings.near_cache {
        true => manager.with_near_cache(NearCache::new()).map_err(|error| explained("NEAR_CACHE", &error)),
        false => Ok(manager),
    }
}

/// Our table in the database at `url`, created if it is missing. Deletes expired rows.
async fn native_rows(setting: &str, url: &str) -> Result<SqlStore, Error> {
    let rows = SqlStore::connect(url).await.map_err(|error| explained(setting, &error))?;
    rows.migrate().await.map_err(|error| explained(setting, &error))?;
    rows.spawn_purge(PURGE_EVERY);
    Ok(rows)
}

/// Django's table in the database at `url`, created by Django.
async fn django_rows(settings: &Settings, setting: &str, url: &str) -> Result<DjangoDbStore, Error> {
    let mut rows = DjangoDbStore::connect(url).await.map_err(|error| explained(setting, &error))?;
    if let Some(zone) = &settings.django.time_zone {
        rows = rows.with_time_zone(zone.clone()).await.map_err(|error| explained(setting, &error))?;
    }
    rows.check().await.map_err(|error| explained(setting, &error))?;
    Ok(rows)
}

/// The error for a profile that keeps sessions in a database.
fn no_database() -> Error {
    Error::new(ErrorKind::Config, "SESSION_URL names a Redis; expected postgres:// or sqlite://")
}

/// `django` with the settings that all services of the fleet share.
fn of_fleet(settings: &Settings, django: Django) -> Django {
    let django = django
        .with_key_prefix(settings.key_prefix.as_str())
        .with_version(settings.key_version)
        .with_auth_backend(settings.django.backend.as_str());
    match &settings.django.time_zone {
        Some(zone) => django.with_time_zone(zone.clone()),
        None => django,
    }
}

/// The codec of new sessions; `protocol` is the version of pickles that Django's backend writes.
fn codec(settings: &Settings, protocol: u8) -> Codec {
    match settings.django.codec {
        DjangoCodec::Pickle => Codec::pickle_protocol(protocol),
        DjangoCodec::Json => Codec::json(),
        DjangoCodec::MsgPack => Codec::msgpack(),
    }
}
