//! Password work off the async threads, bounded to the cores, equally long for absent users.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::{
    User,
    password::{PasswordHasher, Scheme, Verdict, verify_as},
};
use crate::{Error, ErrorKind};

/// How long a request waits for a core. Beyond it the process is overloaded, and says so.
const PATIENCE: Duration = Duration::from_secs(10);

static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, std::num::NonZero::get)));

/// The scheme of the last password that matched: what the absent user's would most likely be. A table that Django
/// filled costs other than [`PasswordHasher`] does.
static USUAL: Mutex<Option<Scheme>> = Mutex::new(None);

/// Hashes a new password off the async threads, no more at a time than there are cores.
///
/// # Errors
/// [`ErrorKind::Unavailable`] if no core is free for ten seconds, or the system gives no random bytes.
pub async fn hash_password(hasher: PasswordHasher, password: &str) -> Result<String, Error> {
    let password = password.to_owned();
    off_thread(move || hasher.hash(&password)).await?
}

/// `user`, if active and `password` is right.
pub(super) async fn verify_user(
    user: Option<User>,
    password: &str,
    hasher: PasswordHasher,
) -> Result<Option<User>, Error> {
    let password = password.to_owned();
    off_thread(move || {
        let (scheme, verdict) = match &user {
            Some(user) => verify_as(&password, user.encoded_password()),
            None => (None, Verdict::Unusable),
        };
        match verdict {
            Verdict::Match => *usual() = scheme,
            Verdict::Mismatch => {}
            Verdict::Unusable => {
                let scheme = *usual();
                scheme.unwrap_or(hasher.scheme()).spend(&password);
            }
        }
        user.filter(|user| verdict == Verdict::Match && user.is_active)
    })
    .await
}

fn usual() -> std::sync::MutexGuard<'static, Option<Scheme>> {
    USUAL.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let permit = timeout(PATIENCE, CORES.acquire())
        .await
        .map_err(|source| Error::new(ErrorKind::Unavailable, "too many passwords to verify").with_source(source))?
        .map_err(|source| Error::new(ErrorKind::Unavailable, "shutting down").with_source(source))?;
    // The permit moves along: work goes on when the request that asked for it is dropped.
    spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
    .map_err(|source| Error::new(ErrorKind::Unavailable, "the password could not be computed").with_source(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann(encoded: impl Into<String>) -> User {
        User::new("1", "ann").with_encoded_password(encoded)
    }

    #[tokio::test]
    async fn only_an_active_user_with_the_right_password_verifies() {
        let hasher = PasswordHasher::pbkdf2_sha256(10).unwrap();
        let mut user = ann(hash_password(hasher, "right").await.unwrap());
        assert_eq!(verify_user(Some(user.clone()), "right", hasher).await.unwrap(), Some(user.clone()));
        assert_eq!(verify_user(Some(user.clone()), "wrong", hasher).await.unwrap(), None);
        assert_eq!(verify_user(None, "right", hasher).await.unwrap(), None);
        assert_eq!(verify_user(Some(ann("!")), "right", hasher).await.unwrap(), None);
        user.is_active = false;
        assert_eq!(verify_user(Some(user), "right", hasher).await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_passwords_are_computed_at_once_than_there_are_cores() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let work = || {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            NOW.fetch_sub(1, Ordering::SeqCst);
        };
        let all: Vec<_> = (0..40).map(|_| tokio::spawn(off_thread(work))).collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert!(MOST.load(Ordering::SeqCst) <= available_parallelism().unwrap().get());
    }
}
