//! Checks that a service fits the stored sessions.

use std::time::Duration;

use shared_session::{Error, ErrorKind, FleetCheck, SessionManager, django::DjangoCachedDbStore};

use crate::settings::{Settings, explained};

/// The longest wait of a start for the check, outside of Django's profiles.
const PATIENCE: Duration = Duration::from_secs(2);

/// Checks that this service fits the stored sessions, and logs the checks that were not possible.
///
/// # Errors
/// In a Django fleet one line if something does not match or the store does not answer: a service must not write
/// without this check. Outside of Django's profiles a mismatch is only logged: other services may use the same store,
/// the secret key is replaced after a leak, and a Redis that is down does not stop the start.
pub(crate) async fn verify(settings: &Settings, manager: &SessionManager) -> Result<(), Error> {
    let found = if settings.profile.is_django() {
        verify_django(manager).await?
    } else {
        match tokio::time::timeout(PATIENCE, manager.check_fleet()).await {
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

/// The rows do not show where Django keeps their copies, so this checks the copies themselves.
pub(super) async fn check_copies(store: &DjangoCachedDbStore) -> Result<(), Error> {
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
