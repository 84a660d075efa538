//! Limits on password guesses, registrations and new sessions.
//!
//! Addresses of this machine are not counted: they belong to the operator, or to a proxy that `TRUSTED_PROXIES` does
//! not name, whose clients would all wait together.

use std::{net::IpAddr, sync::Arc, time::Duration};

use shared_session::{
    Error, SecretKeys, Session, SessionManager,
    cookie::SessionCookie,
    store::MemoryStore,
    throttle::{Attempt, Policy, Subject, Throttle, Verdict},
};

use crate::{
    cookies::device_cookie,
    settings::{Limits, SessionProfile, Settings},
    sign_in::trimmed,
};

const SIGN_IN: &str = "sign-in";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: u32 = 3600;
/// The most cookies with the name of the device cookie that are checked.
const MAX_COOKIES: usize = 4;

/// The value of `Retry-After` for a wait: whole seconds, at least one.
#[must_use]
pub fn retry_after(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The limits of both services, counted in the session store.
#[derive(Clone, Debug)]
pub struct Throttles {
    throttle: Throttle,
    limits: Limits,
    device_cookie: Arc<DeviceCookie>,
}

/// The cookie that marks a known browser. It does not sign a user in.
#[derive(Debug)]
struct DeviceCookie {
    name: String,
    cookie: SessionCookie,
}

impl Throttles {
    /// Django's tables have no place for counts: with them each process counts for itself.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](shared_session::ErrorKind::Config) if the cookie of known devices would be invalid.
    pub fn new(settings: &Settings, manager: &SessionManager, keys: SecretKeys) -> Result<Self, Error> {
        let throttle = match settings.profile {
            SessionProfile::DjangoDb | SessionProfile::DjangoCachedDb => Throttle::new(MemoryStore::new(), keys),
            _ => Throttle::of(manager, keys),
        };
        let (name, cookie) = device_cookie(settings)?;
        let device_cookie = Arc::new(DeviceCookie { name, cookie });
        Ok(Self { throttle, limits: settings.limits, device_cookie })
    }

    /// Counts an attempt to sign in under the name that was `typed`. `cookies` are the `Cookie` headers: a browser that
    /// has signed in to this account before is counted separately, so that strangers cannot make it wait.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](shared_session::ErrorKind::Unavailable) if the store fails.
    pub async fn sign_in<'a>(
        &self,
        typed: &str,
        address: Option<IpAddr>,
        cookies: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Verdict, Error> {
        let account = trimmed(typed);
        let known_device = |value| self.throttle.known_device(account, value);
        let known = values(cookies, &self.device_cookie.name).take(MAX_COOKIES).find_map(known_device);
        if let Some(device) = known {
            return self.attempt([Some(Subject::device(SIGN_IN, &device)), None], address).await;
        }
        let from = countable(address).map(|address| Subject::address(SIGN_IN, address));
        self.attempt([Some(Subject::account(SIGN_IN, account)), from], address).await
    }

    /// Counts a password check of a signed-in user. It counts for the user, not for the session: a thief of the cookie
    /// can replace the cookie and so change the handle. Strangers cannot make the user wait, because only the user's
    /// own sessions get here.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub async fn password_check(&self, user_id: &str, address: Option<IpAddr>) -> Result<Verdict, Error> {
        self.attempt([Some(Subject::named("password", user_id)), None], address).await
    }

    /// Counts a registration. Ten are free, then ten an hour are allowed.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub async fn registration(&self, address: Option<IpAddr>) -> Result<Verdict, Error> {
        let policy = Policy::new(10).with_waits(MINUTE, 6 * MINUTE).with_recovery(6 * MINUTE);
        let from = countable(address).map(|address| Subject::address("register", address));
        self.attempt([from.map(|from| from.with_policy(policy).counting_successes()), None], address).await
    }

    /// Claims a new name, ignoring the case of its letters: of concurrent registrations one goes on, and the others get
    /// `None`. If the registration fails, [`Attempt::succeeded`] gives the claim back; otherwise it ends after a
    /// minute, when the user is in the table for all to find.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub async fn claim(&self, username: &str) -> Result<Option<Attempt>, Error> {
        let policy = Policy::new(1).with_waits(MINUTE, MINUTE).with_recovery(MINUTE);
        let in_one_case = username.to_uppercase().to_lowercase();
        match self.throttle.attempt([Subject::named("new name", &in_one_case).with_policy(policy)]).await? {
            Verdict::Go(claim) => Ok(Some(claim)),
            Verdict::Wait(_) => Ok(None),
        }
    }

    async fn attempt(&self, subjects: [Option<Subject>; 2], address: Option<IpAddr>) -> Result<Verdict, Error> {
        let subjects = subjects.into_iter().flatten().filter(|_| self.limits.sign_ins);
        self.throttle.attempt(subjects.map(|subject| subject.with_client_address(address))).await
    }

    /// Counts a write of a visitor for the visitor's address if it starts a session; the time to wait if there were too
    /// many.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub async fn new_session(&self, session: &Session, address: Option<IpAddr>) -> Result<Option<Duration>, Error> {
        let (Some(rate), Some(address), None) = (self.limits.anonymous_rate, countable(address), session.handle())
        else {
            return Ok(None);
        };
        let pause = Duration::from_secs(u64::from(HOUR)) / rate;
        let policy = Policy::new(rate).with_waits(pause, pause.max(MINUTE)).with_recovery(pause);
        let subject = Subject::address("session", address).with_policy(policy).counting_successes();
        match self.throttle.attempt([subject]).await? {
            Verdict::Go(_) => Ok(None),
            Verdict::Wait(wait) => Ok(Some(wait)),
        }
    }

    /// The `Set-Cookie` for a browser that has just signed in under the name `typed`; `None` if the browser is known
    /// already.
    ///
    /// # Errors
    /// As [`Throttle::device_cookie`].
    pub fn remember<'a>(
        &self,
        typed: &str,
        cookies: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<String>, Error> {
        let account = trimmed(typed);
        let is_known = |value: &str| self.throttle.known_device(account, value).is_some();
        if !self.limits.sign_ins || values(cookies, &self.device_cookie.name).take(MAX_COOKIES).any(is_known) {
            return Ok(None);
        }
        Ok(Some(self.device_cookie.cookie.set(&self.throttle.device_cookie(account)?)))
    }
}

/// The address, if it may be a client's.
fn countable(address: Option<IpAddr>) -> Option<IpAddr> {
    address.filter(|address| !address.to_canonical().is_loopback())
}

/// The values of a cookie in `Cookie` headers.
fn values<'a>(headers: impl IntoIterator<Item = &'a [u8]>, name: &str) -> impl Iterator<Item = &'a str> {
    headers.into_iter().flat_map(|header| header.split(|byte| *byte == b';')).filter_map(move |pair| {
        let pair = std::str::from_utf8(pair.trim_ascii()).ok()?;
        pair.strip_prefix(name)?.strip_prefix('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Service;

    fn throttles(more: &[(&str, &str)]) -> (Throttles, SessionManager) {
        let read = |name: &str| more.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let settings = Settings::from_env(read, Service::Site).unwrap();
        let manager = SessionManager::new(MemoryStore::new());
        let keys = SecretKeys::new([7; 32]).unwrap();
        (Throttles::new(&settings, &manager, keys).unwrap(), manager)
    }

    #[test]
    fn retry_after_is_the_first_whole_second_at_which_the_wait_is_over() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60), (60_000, 60)] {
            assert_eq!(retry_after(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }

    const STRANGER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)));

    #[tokio::test]
    async fn a_browser_that_signed_in_before_does_not_wait_because_of_strangers() {
        let (throttles, _) = throttles(&[]);
        let set = throttles.remember(" Ann", []).unwrap().unwrap();
        assert!(set.starts_with("shared_session_id_device=") && set.contains("HttpOnly"), "{set}");
        let cookies = format!("a=b; {}; c", set.split(';').next().unwrap());
        let go = async |cookies: &str| {
            let verdict = throttles.sign_in("ann", STRANGER, [cookies.as_bytes()]).await.unwrap();
            matches!(verdict, Verdict::Go(_))
        };
        for n in 0..10 {
            assert!(go("").await, "{n}");
        }
        assert!(!go("").await && !go("shared_session_id_device=x").await);
        assert!(go(&cookies).await);
        assert_eq!(throttles.remember("ann", [cookies.as_bytes()]).unwrap(), None);
        assert!(throttles.remember("bob", [cookies.as_bytes()]).unwrap().is_some());
    }

    /// [`sign_in::authenticate`](crate::sign_in::authenticate) takes all of it away.
    #[tokio::test]
    async fn space_around_a_name_makes_no_other_account_of_it() {
        let (throttles, _) = throttles(&[]);
        let mut guesses = 0;
        for typed in ["ann", " ann", "\x1cann", "ann\x1f", "\x1d\x1eann", "\x1c\u{a0}ann\t", "\u{ff41}nn\x1c"] {
            for _ in 0..10 {
                let verdict = throttles.sign_in(typed, STRANGER, []).await.unwrap();
                guesses += u32::from(matches!(verdict, Verdict::Go(_)));
            }
        }
        assert_eq!(guesses, 10);
    }

    #[tokio::test]
    async fn guesses_of_the_password_of_a_signed_in_user_count_for_the_user() {
        let (throttles, _) = throttles(&[]);
        let go = async |user: &str| {
            let verdict = throttles.password_check(user, STRANGER).await.unwrap();
            matches!(verdict, Verdict::Go(_))
        };
        for n in 0..10 {
            assert!(go("1").await, "{n}");
        }
        assert!(!go("1").await);
        assert!(go("2").await, "users do not wait for each other");
    }

    #[tokio::test]
    async fn an_address_may_start_a_limited_number_of_sessions_and_loopback_any_number() {
        let (throttles, manager) = throttles(&[("SESSION_ANONYMOUS_RATE", "3")]);
        let new = async |address: &str| {
            let session = manager.open([]).load().await.unwrap();
            throttles.new_session(&session, address.parse().ok()).await.unwrap().is_none()
        };
        for address in ["203.0.113.9", "2001:db8::1", "127.0.0.1", "::ffff:127.0.0.1"] {
            for n in 0..3 {
                assert!(new(address).await, "{address} {n}");
            }
        }
        assert!(!new("203.0.113.9").await && !new("2001:db8::2").await && new("127.0.0.1").await);
        assert!(new("203.0.113.8").await);
        let session = manager.open([]).load().await.unwrap();
        session.insert("a", &1).unwrap();
        session.commit().await.unwrap();
        assert_eq!(throttles.new_session(&session, STRANGER).await.unwrap(), None, "the session is not new");
    }

    #[tokio::test]
    async fn a_name_is_claimed_once_ignoring_case_until_it_is_released() {
        let (throttles, _) = throttles(&[("SIGN_IN_LIMIT", "off")]);
        let claim = throttles.claim("Ann").await.unwrap().expect("the name is free");
        let (others, ()) = tokio::join!(throttles.claim("aNN"), async { claim.succeeded().await });
        assert!(others.unwrap().is_some(), "the name is free again");
        assert!(throttles.claim("ann").await.unwrap().is_none());
        assert!(throttles.claim("bob").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn without_the_limit_nothing_is_counted() {
        let (throttles, _) = throttles(&[("SIGN_IN_LIMIT", "off")]);
        for _ in 0..100 {
            let verdict = throttles.sign_in("ann", STRANGER, []).await.unwrap();
            assert!(matches!(verdict, Verdict::Go(_)));
        }
        assert_eq!(throttles.remember("ann", []).unwrap(), None);
    }
}
