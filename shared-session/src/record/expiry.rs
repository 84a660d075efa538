//! The expiry of one session and its cookie.

use std::time::{Duration, SystemTime};

use super::time::StoreTime;

/// When one session ends, and how long the browser keeps its cookie: for
/// [`Session::set_expiry`](crate::Session::set_expiry) and [`LoginOptions`](crate::LoginOptions). It is stored with the
/// session, so every service applies it, through every write, every use and every [`rotate`](crate::Session::rotate).
///
/// | expiry | the session ends | the browser keeps the cookie | Django's `set_expiry` |
/// |---|---|---|---|
/// | `Configured` | according to the [`Lifetime`](crate::Lifetime) | according to the [`CookieConfig`](crate::cookie::CookieConfig) | `None` |
/// | `OnBrowserClose` | according to the `Lifetime` | until it is closed | `0` |
/// | `OnInactivity` | after this time without use | until the session ends | seconds |
/// | `At` | at this time, used or not | until then | a `datetime` |
///
/// ```
/// use std::time::Duration;
/// use shared_session::{Expiry, SessionManager, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let manager = SessionManager::new(MemoryStore::new());
/// # let session = manager.open([]).load().await?;
/// session.set_expiry(Expiry::OnInactivity(Duration::from_secs(300)))?;
/// assert_eq!(session.expiry()?, Expiry::OnInactivity(Duration::from_secs(300)));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expiry {
    /// As the manager is configured. The default.
    #[default]
    Configured,
    /// The session lives as configured, and the browser drops the cookie when it is closed. Browsers that restore their
    /// windows keep it.
    #[doc(alias = "OnSessionEnd")]
    OnBrowserClose,
    /// After this time without use, in whole seconds: rounded up, one second at least and a hundred years at most.
    ///
    /// The absolute limit stays that of the [`Lifetime`](crate::Lifetime), or is this time if that is longer. Django's
    /// sessions have no absolute limit.
    OnInactivity(Duration),
    /// At this time of the store's clock, to the millisecond, and not before; the limits of the
    /// [`Lifetime`](crate::Lifetime) do not count. A commit that sets a time that has passed ends the session and fails
    /// with [`ErrorKind::Gone`](crate::ErrorKind::Gone).
    ///
    /// In a Django profile it is stored as text, which Django can read since version 4.1.
    #[doc(alias = "AtDateTime")]
    At(SystemTime),
}

impl Expiry {
    /// The form that is stored: rounded to the units of all formats, and limited to the times of Python.
    pub(crate) fn rounded(self) -> Self {
        const CENTURY: u64 = 100 * 366 * 86_400;
        match self {
            Self::Configured | Self::OnBrowserClose => self,
            Self::OnInactivity(idle) => {
                let up = u64::from(idle.subsec_nanos() > 0);
                Self::OnInactivity(Duration::from_secs(idle.as_secs().saturating_add(up).clamp(1, CENTURY)))
            }
            Self::At(time) => Self::At(StoreTime::from(time).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_rounded_to_what_every_format_can_store() {
        let idle = |duration| match Expiry::OnInactivity(duration).rounded() {
            Expiry::OnInactivity(rounded) => rounded.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(idle(Duration::ZERO), 1, "zero would mean the browser's session to Django");
        assert_eq!(idle(Duration::from_millis(1_001)), 2);
        assert_eq!(idle(Duration::from_secs(300)), 300);
        assert_eq!(idle(Duration::MAX), 3_162_240_000);
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        let to_the_millisecond = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(Expiry::At(at).rounded(), Expiry::At(to_the_millisecond));
    }
}
