//! Password work off the async threads, at most one per core, the same for every refusal.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::{
    AuthUser,
    password::{Level, PasswordHasher, Verdict, verify_as},
};
use crate::error::{Error, ErrorKind};

/// The maximum wait for a core. Beyond it the process is overloaded and returns an error.
const PATIENCE: Duration = Duration::from_secs(10);

static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, std::num::NonZero::get)));

/// The known costs of the hashes of this process' users.
static LEARNED: Mutex<Level> = Mutex::new(Level::new());

impl PasswordHasher {
    /// Hashes `password` under a new random salt, for storage: at most 128 characters. Takes a tenth of a second or
    /// more of one core, off the async threads, at most one per core at a time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// use shared_session::users::PasswordHasher;
    ///
    /// let encoded = PasswordHasher::default().hash("correct horse").await?;
    /// assert!(encoded.starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if no core is free for ten seconds, or the system provides no random bytes.
    pub async fn hash(self, password: &str) -> Result<String, Error> {
        let password = password.to_owned();
        off_thread(move || self.hash_here(&password)).await?
    }
}

/// Returns `user`, if active and `password` is right. Every refusal computes the same work, for every name.
pub(super) async fn verify_user<U: AuthUser>(
    user: Option<U>,
    password: &str,
    hasher: PasswordHasher,
) -> Result<Option<U>, Error> {
    let password = password.to_owned();
    off_thread(move || decide(user, &password, hasher, &LEARNED)).await
}

/// Makes refusals cost at least as much as hashes of these `schemes`.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn learn(schemes: impl IntoIterator<Item = super::password::Scheme>) {
    let mut learned = LEARNED.lock().unwrap_or_else(PoisonError::into_inner);
    schemes.into_iter().for_each(|scheme| learned.learn(scheme));
}

fn decide<U: AuthUser>(user: Option<U>, password: &str, hasher: PasswordHasher, learned: &Mutex<Level>) -> Option<U> {
    let (done, verdict) = match &user {
        Some(user) => verify_as(password, user.encoded_password()),
        None => (None, Verdict::Unusable),
    };
    let mut level = {
        let mut learned = learned.lock().unwrap_or_else(PoisonError::into_inner);
        done.into_iter().for_each(|scheme| learned.learn(scheme));
        learned.clone()
    };
    let user = user.filter(|user| verdict == Verdict::Match && user.is_active());
    if user.is_none() {
        level.include(hasher.scheme());
        level.rest(done).into_iter().for_each(|run| run.spend(password));
    }
    user
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let permit = timeout(PATIENCE, CORES.acquire())
        .await
        .map_err(|source| Error::new(ErrorKind::Unavailable, "too many passwords to verify").with_source(source))?
        .map_err(|source| Error::new(ErrorKind::Unavailable, "shutting down").with_source(source))?;
    // The permit moves along: the work continues if its request is dropped.
    spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
    .map_err(|source| Error::new(ErrorKind::Unavailable, "the password could not be hashed").with_source(source))
}

#[cfg(test)]
mod tests {
    use super::super::{
        User,
        password::{Family, counted, scheme_of},
    };
    use super::*;

    fn ann(encoded: impl Into<String>) -> User {
        User::new("1", "ann").with_encoded_password(encoded)
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn a_scheme_that_was_found_is_one_that_refusals_take_time_for() {
        use super::super::password::Scheme;

        learn([Scheme::Bcrypt { cost: 4, digest_first: false }]);
        let runs = LEARNED.lock().unwrap().rest(None);
        assert!(runs.iter().any(|run| matches!(run, Scheme::Bcrypt { .. })), "{runs:?}");
    }

    #[tokio::test]
    async fn only_an_active_user_with_the_right_password_verifies() {
        let hasher = PasswordHasher::pbkdf2_sha256(10).unwrap();
        let mut user = ann(hasher.hash("right").await.unwrap());
        assert_eq!(verify_user(Some(user.clone()), "right", hasher).await.unwrap(), Some(user.clone()));
        assert_eq!(verify_user(Some(user.clone()), "wrong", hasher).await.unwrap(), None);
        assert_eq!(verify_user(None::<User>, "right", hasher).await.unwrap(), None);
        assert_eq!(verify_user(Some(ann("!")), "right", hasher).await.unwrap(), None);
        user.is_active = false;
        assert_eq!(verify_user(Some(user), "right", hasher).await.unwrap(), None);
    }

    #[test]
    fn every_refusal_computes_the_same_for_every_name() {
        let hasher = PasswordHasher::pbkdf2_sha256(1000).unwrap();
        let hash = |iterations| PasswordHasher::pbkdf2_sha256(iterations).unwrap().hash_here("right").unwrap();
        let argon2 = |memory| PasswordHasher::argon2id(memory, 1, 1).unwrap().hash_here("right").unwrap();
        let no_hash = ["", "!", "!a3", "md5$salt$1d50efa381c5e361dc785e3c0993548c", "pbkdf2_sha256$9$", "plain"];
        // Argon2 rejects a salt this short.
        let refused = "argon2$argon2id$v=19$m=64,t=1,p=1$YQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let inactive = |encoded: String| {
            let mut user = ann(encoded);
            user.is_active = false;
            user
        };
        let stored = [hash(260), hash(600), hash(1000), hash(1200), argon2(64), argon2(128)];
        let learned = Mutex::new(Level::new());
        stored.iter().for_each(|encoded| learned.lock().unwrap().learn(scheme_of(encoded).unwrap()));
        let users = stored.iter().map(|encoded| Some(ann(encoded)));
        let users = users.chain(no_hash.iter().chain([&refused]).map(|encoded| Some(ann(*encoded))));
        let users = users.chain(stored.iter().map(|encoded| Some(inactive(encoded.clone())))).chain([None]);
        for (number, user) in users.enumerate() {
            for password in ["wrong", "right"] {
                let user = user.clone().filter(|user| password == "wrong" || !user.is_active);
                counted::reset();
                assert_eq!(decide(user, password, hasher, &learned), None);
                assert_eq!(counted::done(), [(Family::Pbkdf2Sha256, 1200), (Family::Argon2, 128)], "{number}");
            }
        }
    }

    #[test]
    fn the_first_refusal_of_a_dearer_hash_raises_all_later_ones() {
        let hasher = PasswordHasher::pbkdf2_sha256(1000).unwrap();
        let dearer = PasswordHasher::pbkdf2_sha256(5000).unwrap().hash_here("right").unwrap();
        let learned = Mutex::new(Level::new());
        let mut iterations = Vec::new();
        for user in [None, Some(ann(dearer)), None] {
            counted::reset();
            assert_eq!(decide(user, "wrong", hasher, &learned), None);
            iterations.extend(counted::done());
        }
        assert_eq!(iterations, [1000, 5000, 5000].map(|iterations| (Family::Pbkdf2Sha256, iterations)));
    }

    #[test]
    fn a_success_computes_the_stored_hash_and_nothing_else() {
        let hasher = PasswordHasher::pbkdf2_sha256(1000).unwrap();
        let user = ann(PasswordHasher::pbkdf2_sha256(10).unwrap().hash_here("right").unwrap());
        counted::reset();
        assert_eq!(decide(Some(user.clone()), "right", hasher, &Mutex::new(Level::new())), Some(user));
        assert_eq!(counted::done(), [(Family::Pbkdf2Sha256, 10)]);
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
