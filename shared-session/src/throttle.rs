//! Slows down password guessing, and any other operation that is tried too often: per account, per address, per device.
//!
//! The rules:
//!
//! - **An attempt counts before it is made**, so a thousand simultaneous attempts cannot exceed the limit. A successful
//!   attempt is given back.
//! - **The wait grows**, and failures are forgotten one by one: see [`Policy`].
//! - **An attacker cannot lock a user out.** A [device](Throttle::known_device) that has signed in before has its own
//!   count, regardless of other attempts on its account.
//! - **The response reveals nothing.** An attempt counts whether or not the account exists, and a client that has to
//!   wait is refused before the password is checked.
//! - **An attempt that cannot be counted is not made**: while the store is down, [`Throttle::attempt`] returns
//!   [`ErrorKind::Unavailable`], 503. It fails closed: otherwise an outage would be the time to guess, and a sign-in
//!   could not store its session anyway.
//!
//! # Example
//!
//! ```
//! use std::net::IpAddr;
//! use shared_session::{Error, ErrorKind, SecretKeys, store::MemoryStore, throttle::{Subject, Throttle}};
//!
//! /// Whether the password is right. A response with the error is 429, with `Retry-After`.
//! async fn sign_in(throttle: &Throttle, name: &str, password: &str, from: IpAddr) -> Result<bool, Error> {
//!     let subjects = [Subject::account("sign-in", name), Subject::address("sign-in", from)];
//!     let attempt = throttle.attempt(subjects).await?.into_attempt()?;
//!     if password != "correct horse" {
//!         return Ok(false);
//!     }
//!     attempt.succeeded().await;
//!     Ok(true)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
//! let throttle = Throttle::new(MemoryStore::new(), keys);
//! let from = "203.0.113.9".parse()?;
//! for _ in 0..10 {
//!     assert!(!sign_in(&throttle, "ann", "guess", from).await?);
//! }
//! let error = sign_in(&throttle, "ann", "correct horse", from).await.unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::TooManyAttempts);
//! assert!(error.retry_after().is_some());
//! assert!(sign_in(&throttle, "bob", "correct horse", from).await?);
//! # Ok(()) }
//! ```
//!
//! # Cookbook
//!
//! - **Known devices**: after a sign-in set a cookie with [`Throttle::device_cookie`], and pass [`Subject::device`]
//!   instead of account and address if [`Throttle::known_device`] finds a device. Make the cookie `Secure`, `HttpOnly`,
//!   `SameSite=Lax`, with a lifetime of months.
//! - **Registrations**: [`Subject::address`] with [`counting_successes`](Subject::counting_successes) and a small
//!   [`Policy`].
//! - **Asking for the password again**: [`Subject::named`] with the session's [handle](crate::Session::handle), so that
//!   a thief in one session does not make the owner wait in another.
//! - **Behind a proxy** the address must be the client's, not the proxy's: otherwise all clients wait together.
//!
//! # What it costs
//!
//! One key for each subject, which expires once none of its attempts count. With Redis a first attempt is one
//! `SET … NX`; a refused one adds a `GET`. An attempt after failures adds the store's compare-and-set, which is one
//! plain command if Redis supports `SET … IFEQ`, else a short script; the policy limits how many there are. A success
//! deletes the key, or gives one attempt back. All subjects of an attempt are checked at the same time. With
//! [`TieredStore`](crate::store) every call goes to SQL.
//!
//! # What is stored
//!
//! The store holds, under a keyed hash of the subject, a count and two times. It holds no name and no address.
//!
//! A refused attempt is an [audit](crate::audit) event. It is logged; a throttle [of](Throttle::of) a manager also
//! calls the manager's hook.
//!
//! # What it does not do
//!
//! It has no CAPTCHA, and does not detect a botnet that tries one password on each of many accounts from many
//! addresses. It does not limit requests that are no attempts: use the limits of your proxy for that.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{join_all, try_join_all};

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod known_device;
mod policy;
mod subject;

pub use crate::throttle::{known_device::KnownDevice, policy::Policy, subject::Subject};
use crate::{
    audit::{Audit, AuditEvent, AuditKind},
    engine::{core::clock::StoreClock, manager::SessionManager},
    error::{Error, ErrorKind},
    keyed_semaphore::{KeyedPermit, KeyedSemaphore},
    keys::SecretKeys,
    store::{BoxFuture, Deleted, Replaced, Seen, SessionStore, StoreDyn, StoreTime},
    throttle::{
        policy::{Attempts, Decision, decide, give_back},
        subject::Success,
    },
};

/// The maximum number of tries to change the count of one subject while others change it. Each failure means that
/// another attempt was counted, and the policy limits those.
const TRIES: u32 = 64;

/// How long an estimate of the store's time is used.
const CLOCK_REFRESH: Duration = Duration::from_secs(300);

/// Counts attempts in a session store, for all services that share the store and the keys. Cloning is cheap. The
/// [module](self) explains it.
#[derive(Clone)]
pub struct Throttle(Arc<Shared>);

struct Shared {
    store: Arc<dyn StoreDyn>,
    clock: Arc<StoreClock>,
    keys: SecretKeys,
    prefix: String,
    audit: Audit,
    running: KeyedSemaphore,
}

impl Throttle {
    /// Counts in `store`, under keys that start with `shared_session:throttle:`. The store must accept any key, unlike
    /// [`DjangoDbStore`](crate::django::DjangoDbStore), whose table is Django's.
    #[must_use]
    pub fn new(store: impl SessionStore, keys: SecretKeys) -> Self {
        let clock = Arc::new(StoreClock::new(CLOCK_REFRESH));
        Self::over(Arc::new(store), clock, keys, "shared_session:throttle:".to_owned(), Audit::default())
    }

    /// Counts in the store of `manager`, under the prefix of its sessions; if that store holds copies, in their
    /// [authority](SessionStore::authority).
    #[must_use]
    pub fn of(manager: &SessionManager, keys: SecretKeys) -> Self {
        let core = &manager.0;
        let (store, clock) = (Arc::clone(&core.store), Arc::clone(&core.clock));
        Self::over(store, clock, keys, core.profile.throttle_prefix(), core.audit.clone())
    }

    fn over(store: Arc<dyn StoreDyn>, clock: Arc<StoreClock>, keys: SecretKeys, prefix: String, audit: Audit) -> Self {
        let store = store.authority().map_or(store, |behind| behind.0);
        Self(Arc::new(Shared { store, clock, keys, prefix, audit, running: KeyedSemaphore::default() }))
    }

    /// Counts one more attempt for each of the `subjects`, if the policy allows it. If one of them must wait, none is
    /// counted, and the result is the longest wait.
    ///
    /// In one process only a few attempts on one subject run at a time; others wait here for their turn, and then see
    /// the results of those. So users who sign in to one account at the same moment do not hinder each other.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store fails: the attempt must not be made.
    pub async fn attempt(&self, subjects: impl IntoIterator<Item = Subject>) -> Result<Verdict, Error> {
        let mut taken: Vec<_> = subjects.into_iter().map(|subject| Taken::new(&self.0, subject)).collect();
        // Everywhere in the same order, so that two attempts never wait for each other.
        taken.sort_by(|a, b| a.key.cmp(&b.key));
        taken.dedup_by(|a, b| a.key == b.key);
        let address = taken.iter().find_map(|of| of.subject.client_address());
        let mut permits = Vec::with_capacity(taken.len());
        for of in &taken {
            permits.push(self.0.running.acquire(&of.key, of.subject.policy().at_once()).await);
        }
        // Boxed: as a stream of closures the compiler cannot prove the future of this function to be `Send`.
        let takes: Vec<BoxFuture<'_, _>> = taken.iter().map(|of| Box::pin(self.0.take(of)) as _).collect();
        let answers = join_all(takes).await;
        let mut longest = None;
        let mut refused = None;
        let mut counted = Vec::with_capacity(taken.len());
        for (of, answer) in taken.into_iter().zip(answers) {
            match answer {
                Ok(Take::Counted(last)) => counted.push(Taken { last, ..of }),
                Ok(Take::Wait(wait)) => longest = longest.max(Some(wait)),
                Err(error) => refused = Some(error),
            }
        }
        let attempt = Attempt { shared: Arc::clone(&self.0), counted, _permits: permits };
        match (refused, longest) {
            (None, None) => Ok(Verdict::Go(attempt)),
            (error, wait) => {
                if error.is_none() {
                    self.0.audit.tell(&AuditEvent::new(AuditKind::Throttled).with_address(address));
                }
                attempt.withdraw().await;
                error.map_or(Ok(Verdict::Wait(wait.unwrap_or_default())), Err)
            }
        }
    }

    /// The value for the cookie of a device that has just signed in to `account`: 65 characters of base64url, signed
    /// with the current key. No I/O. Pass the same account name as to [`Subject::account`].
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the system provides no random bytes.
    pub fn device_cookie(&self, account: &str) -> Result<String, Error> {
        known_device::issue(&self.0.keys, account)
    }

    /// The device that sent this `cookie`, if it has signed in to `account` before. Count it as [`Subject::device`]
    /// instead of the account and its address. The signature may be under any of the keys. No I/O.
    #[must_use]
    pub fn known_device(&self, account: &str, cookie: &str) -> Option<KnownDevice> {
        known_device::verify(&self.0.keys, account, cookie)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

/// Whether an attempt may be made.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// It may be made, and is counted.
    Go(Attempt),
    /// It must wait this long: 429, with these seconds, rounded up, in `Retry-After`.
    Wait(Duration),
}

impl Verdict {
    /// The attempt, or the error to answer with 429 and `Retry-After`.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyAttempts`] if the attempt must wait.
    pub fn into_attempt(self) -> Result<Attempt, Error> {
        match self {
            Self::Go(attempt) => Ok(attempt),
            Self::Wait(wait) => {
                Err(Error::new(ErrorKind::TooManyAttempts, "an attempt has to wait").with_retry_after(wait))
            }
        }
    }
}

/// A counted attempt. If dropped it stays counted: it failed, or its outcome is unknown.
#[must_use]
pub struct Attempt {
    shared: Arc<Shared>,
    counted: Vec<Taken>,
    _permits: Vec<KeyedPermit>,
}

impl Attempt {
    /// The attempt succeeded: the kind of each [`Subject`] determines the change to its count. If the store fails it
    /// stays counted, which is not an error: the right password is still accepted. One round trip, or two.
    pub async fn succeeded(self) {
        let ends: Vec<BoxFuture<'_, _>> =
            self.counted.iter().map(|of| Box::pin(self.shared.succeeded(of)) as _).collect();
        if let Err(error) = try_join_all(ends).await {
            tracing::debug!(%error, "an attempt that succeeded stays counted");
        }
    }

    /// The attempt was not made after all: something else failed before its outcome was known. It no longer counts, and
    /// no failure is forgotten. If the store fails it stays counted. Up to two round trips.
    pub async fn withdraw(self) {
        for of in &self.counted {
            if let Err(error) = self.shared.give_back(of).await {
                tracing::debug!(%error, "an attempt that was not made stays counted");
            }
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

struct Taken {
    key: String,
    subject: Subject,
    last: Option<Last>,
}

/// When the last attempt was made, with the one that was counted and without it.
#[derive(Clone, Copy)]
struct Last {
    with: StoreTime,
    without: StoreTime,
}

/// The result of counting one more attempt.
enum Take {
    /// `None`: it is the first that counts.
    Counted(Option<Last>),
    Wait(Duration),
}

impl Taken {
    fn new(shared: &Shared, subject: Subject) -> Self {
        Self { key: subject.key(&shared.keys, &shared.prefix), subject, last: None }
    }
}

impl Shared {
    /// Counts one more attempt, or returns how long it has to wait.
    async fn take(&self, of: &Taken) -> Result<Take, Error> {
        let policy = of.subject.policy();
        for _ in 0..TRIES {
            let now = self.clock.now(&*self.store).await?;
            let Decision::Go(first, lifetime) = decide(policy, None, now) else { continue };
            if self.store.create(&of.key, first.text(), lifetime).await? {
                return Ok(Take::Counted(None));
            }
            let Some(stored) = self.store.load(&of.key).await? else { continue };
            let before = Attempts::read(&stored);
            let (next, lifetime) = match decide(policy, before, now) {
                Decision::Wait(wait) => return Ok(Take::Wait(wait)),
                Decision::Go(next, lifetime) => (next, lifetime),
            };
            let all = 0..stored.len();
            match self.store.replace(&of.key, &Seen::new(stored, all), next.text(), lifetime).await? {
                Replaced::Stored => {
                    return Ok(Take::Counted(before.map(|before| Last { with: next.last, without: before.last })));
                }
                Replaced::Conflict(_) | Replaced::Gone => {}
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "too many simultaneous attempts"))
    }

    async fn succeeded(&self, of: &Taken) -> Result<(), Error> {
        match of.subject.on_success() {
            Success::Forget => self.store.delete(&of.key, None).await.map(|_: Deleted| ()),
            Success::GiveBack => self.give_back(of).await,
            Success::Count => Ok(()),
        }
    }

    /// Counts one attempt less. If it is still the last one, the wait counts from the one before.
    async fn give_back(&self, of: &Taken) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(stored) = self.store.load(&of.key).await? else { return Ok(()) };
            let Some(mut attempts) = Attempts::read(&stored) else { return Ok(()) };
            if let Some(last) = of.last.filter(|last| last.with == attempts.last) {
                attempts.last = last.without;
            }
            let all = 0..stored.len();
            let seen = Seen::new(stored, all);
            let now = self.clock.now(&*self.store).await?;
            let is_done = match give_back(of.subject.policy(), attempts, now) {
                None => !matches!(self.store.delete(&of.key, Some(&seen)).await?, Deleted::Conflict(_)),
                Some((left, lifetime)) => {
                    !matches!(self.store.replace(&of.key, &seen, left.text(), lifetime).await?, Replaced::Conflict(_))
                }
            };
            if is_done {
                return Ok(());
            }
        }
        Ok(())
    }
}
