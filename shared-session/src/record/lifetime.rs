//! The lifetime of sessions.

use std::time::Duration;

use crate::record::{expiry::Expiry, time::StoreTime};

/// The two limits of a session, and how often its last use is stored.
///
/// Both limits are kept in the record when a session starts and when its user signs in, so a service with other
/// settings does not shorten the lifetime that another one promised. They are measured on the store's clock.
///
/// ```
/// use std::time::Duration;
/// use shared_session::Lifetime;
///
/// let hour = Duration::from_secs(3600);
/// let lifetime = Lifetime::default().with_idle(hour).with_absolute(12 * hour);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetime {
    idle: Duration,
    absolute: Duration,
    remembered: Option<Duration>,
    anonymous: Option<Duration>,
    touch_after: f64,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Lifetime {
    /// 14 days idle (Django's default), a day for anonymous sessions, 90 days absolute, 90 days idle if remembered,
    /// touched after a tenth of the idle time.
    fn default() -> Self {
        Self { idle: 14 * DAY, absolute: 90 * DAY, remembered: None, anonymous: None, touch_after: 0.1 }
    }
}

impl Lifetime {
    /// The longest times that NIST SP 800-63B-4 allows at authentication assurance level 1: 30 days in all, and as long
    /// without use, because the level requires no idle limit. No cost; a service may shorten each time.
    ///
    /// A level has more requirements than times; see [SP 800-63B-4](https://pages.nist.gov/800-63-4/sp800-63b.html).
    /// Levels 2 and 3 need a second factor, which this library does not check.
    ///
    /// "Remember me" has no effect at any of the levels. An [`Expiry`] that a handler sets can exceed them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use shared_session::Lifetime;
    /// const HOUR: Duration = Duration::from_secs(3600);
    /// let of = |absolute, idle| Lifetime::default().with_absolute(absolute).with_idle(idle).with_remembered(idle);
    /// assert_eq!(Lifetime::aal1(), of(30 * 24 * HOUR, 30 * 24 * HOUR));
    /// assert_eq!(Lifetime::aal2(), of(24 * HOUR, HOUR));
    /// assert_eq!(Lifetime::aal3(), of(12 * HOUR, HOUR / 4));
    /// ```
    #[must_use]
    pub fn aal1() -> Self {
        Self::level(30 * DAY, 30 * DAY)
    }

    /// The longest times of NIST SP 800-63B-4 at level 2: 24 hours in all, an hour without use. Otherwise as
    /// [`aal1`](Self::aal1).
    #[must_use]
    pub fn aal2() -> Self {
        Self::level(DAY, DAY / 24)
    }

    /// The longest times of NIST SP 800-63B-4 at level 3: 12 hours in all, 15 minutes without use. Otherwise as
    /// [`aal1`](Self::aal1).
    #[must_use]
    pub fn aal3() -> Self {
        Self::level(DAY / 2, DAY / 96)
    }

    fn level(absolute: Duration, idle: Duration) -> Self {
        Self::default().with_absolute(absolute).with_idle(idle).with_remembered(idle)
    }

    /// Ends a session that is not used for this long. Default: 14 days. OWASP ASVS 5.0, 7.3.1.
    #[must_use]
    pub fn with_idle(self, idle: Duration) -> Self {
        Self { idle: idle.max(Duration::from_millis(1)), ..self }
    }

    /// Ends a session this long after it started or its user signed in, used or not. Default: 90 days.
    /// OWASP ASVS 5.0, 7.3.2.
    #[must_use]
    pub fn with_absolute(self, absolute: Duration) -> Self {
        Self { absolute: absolute.max(Duration::from_millis(1)), ..self }
    }

    /// Ends a session that is not used for this long, if its user asked to stay signed in
    /// ([`LoginOptions::with_remember_me`](crate::LoginOptions::with_remember_me)). Default: the absolute limit, so
    /// that a remembered session lives as long as any session may. A longer time replaces the absolute limit.
    #[must_use]
    pub fn with_remembered(self, remembered: Duration) -> Self {
        Self { remembered: Some(remembered), ..self }
    }

    /// Ends an anonymous session that is not used for this long. Default: a day, because anyone can start such sessions
    /// and each takes memory until it ends. The [idle](Self::with_idle) time caps it. A sign-in gives the session the
    /// full time; an [`Expiry`] set for the session takes precedence.
    ///
    /// In Django's profiles the default is the idle time: Django gives all sessions the same time, and a shorter one
    /// would cut the lifetime that a Django service promised. A time that is set applies there too, from our next write
    /// on.
    #[must_use]
    pub fn with_anonymous(self, anonymous: Duration) -> Self {
        Self { anonymous: Some(anonymous.max(Duration::from_millis(1))), ..self }
    }

    /// The share of the idle time, 0 to 1, that must pass before a read stores the new last use. Default: 0.1, so that
    /// a session that is only read costs one write in ten per cent of its idle time.
    ///
    /// With 0 every request that loads its session extends it, and its cookie if that has a maximum age, unless the
    /// response is a 5xx: Django's `SESSION_SAVE_EVERY_REQUEST`. Costs one write with each such request. In a Django
    /// profile reads extend nothing with any other share.
    #[must_use]
    pub fn with_touch_after(self, share: f64) -> Self {
        Self { touch_after: if share.is_nan() { 0.1 } else { share.clamp(0.0, 1.0) }, ..self }
    }

    /// The longest time without use.
    pub(crate) const fn idle(&self) -> Duration {
        self.idle
    }

    /// The longest time in all.
    #[cfg(feature = "django")]
    pub(crate) const fn absolute(&self) -> Duration {
        self.absolute
    }

    /// The longest time without use of a session whose user asked to stay signed in.
    #[cfg(any(test, feature = "users"))]
    pub(crate) fn remembered(&self) -> Duration {
        self.remembered.unwrap_or(self.absolute)
    }

    /// The longest time without use of an anonymous session; not in Django's profiles, see
    /// [`with_anonymous`](Self::with_anonymous).
    fn anonymous(&self) -> Duration {
        self.anonymous.unwrap_or(DAY).min(self.idle)
    }

    /// The lifetime of signed-in or anonymous sessions.
    pub(crate) fn of(&self, is_signed_in: bool) -> Self {
        if is_signed_in { *self } else { Self { idle: self.anonymous(), ..*self } }
    }

    /// As [`of`](Self::of), for Django's profiles: the anonymous lifetime is the idle one unless it was set.
    #[cfg(feature = "django")]
    pub(crate) fn of_django(&self, is_signed_in: bool) -> Self {
        Self { anonymous: self.anonymous.or(Some(self.idle)), ..*self }.of(is_signed_in)
    }

    /// Whether every request that loads its session extends it.
    pub(crate) fn saves_every_request(&self) -> bool {
        self.touch_after == 0.0
    }

    /// Whether the last use has to be stored. The browser keeps the cookie for `max_age`, and gets it again only then.
    pub(crate) fn touch_is_due(&self, limits: &Limits, now: StoreTime, max_age: Option<Duration>) -> bool {
        let idle = match (limits.expiry, max_age) {
            (Expiry::Configured, Some(max_age)) => limits.idle.min(max_age),
            _ => limits.idle,
        };
        let share = Duration::try_from_secs_f64(idle.as_secs_f64() * self.touch_after);
        now.since(limits.touched) >= share.unwrap_or(Duration::MAX)
    }
}

/// The lifetime of one session, in the form that its record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) created: StoreTime,
    pub(crate) touched: StoreTime,
    pub(crate) idle: Duration,
    pub(crate) deadline: StoreTime,
    /// The expiry that was set for this session; `idle` and `deadline` follow from it.
    pub(crate) expiry: Expiry,
    /// The deadline of the lifetime, which the expiry may have moved.
    pub(crate) absolute: StoreTime,
    /// When the user signed in; zero if the session is anonymous, or if the time is unknown.
    pub(crate) signed_in: StoreTime,
}

impl Limits {
    pub(crate) fn start(lifetime: &Lifetime, expiry: Expiry, now: StoreTime) -> Self {
        let absolute = now.after(lifetime.absolute);
        let limits = Self {
            created: now,
            touched: now,
            idle: lifetime.idle,
            deadline: absolute,
            expiry,
            absolute,
            signed_in: StoreTime::default(),
        };
        limits.with_expiry(lifetime, expiry)
    }

    /// The limits after a sign-in: the absolute lifetime starts again.
    pub(crate) fn restart(self, lifetime: &Lifetime, expiry: Expiry, now: StoreTime) -> Self {
        Self { created: self.created, ..Self::start(lifetime, expiry, now).signed_in_at(now) }
    }

    /// The limits of a session whose user signed in at `now`.
    pub(crate) fn signed_in_at(self, now: StoreTime) -> Self {
        Self { signed_in: now, ..self }
    }

    /// The limits with another expiry, as of the last use. Setting it does not restart the absolute lifetime.
    pub(crate) fn with_expiry(self, lifetime: &Lifetime, expiry: Expiry) -> Self {
        let (idle, deadline) = match expiry {
            Expiry::Configured | Expiry::OnBrowserClose => (lifetime.idle, self.absolute),
            Expiry::OnInactivity(idle) => (idle, self.absolute.after(idle.saturating_sub(lifetime.absolute))),
            Expiry::At(time) => {
                let end = StoreTime::from(time);
                (end.since(self.touched), end)
            }
        };
        Self { idle, deadline, expiry, ..self }
    }

    pub(crate) fn touch(self, now: StoreTime) -> Self {
        // Another service's estimate of the store's time may run a little ahead.
        Self { touched: self.touched.max(now), ..self }
    }

    pub(crate) fn expires(&self) -> StoreTime {
        self.touched.after(self.idle).min(self.deadline)
    }

    /// The remaining time; `None` once the session has ended.
    pub(crate) fn left(&self, now: StoreTime) -> Option<Duration> {
        Some(self.expires().since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lifetime() -> Lifetime {
        Lifetime::default().with_idle(10 * SECOND).with_absolute(25 * SECOND)
    }

    fn started(now: StoreTime) -> Limits {
        Limits::start(&lifetime(), Expiry::Configured, now)
    }

    #[test]
    fn an_expiry_moves_the_limits_and_another_one_moves_them_back() {
        let now = StoreTime(1_000_000);
        let limits = started(now);
        let with = |limits: Limits, expiry| limits.with_expiry(&lifetime(), expiry);
        let idle = |seconds| Expiry::OnInactivity(seconds * SECOND);
        assert_eq!(with(limits, Expiry::OnBrowserClose), Limits { expiry: Expiry::OnBrowserClose, ..limits });
        let short = with(limits, idle(2));
        assert_eq!((short.left(now), short.deadline), (Some(2 * SECOND), limits.deadline));
        let long = with(limits, idle(60));
        assert_eq!((long.left(now), long.deadline), (Some(60 * SECOND), now.after(60 * SECOND)));
        let at = with(long, Expiry::At(now.after(40 * SECOND).into()));
        assert_eq!(at.left(now), Some(40 * SECOND));
        assert_eq!(at.touch(now.after(30 * SECOND)).left(now.after(30 * SECOND)), Some(10 * SECOND));
        assert_eq!(with(at, Expiry::Configured), limits);
    }

    #[test]
    fn sessions_that_nobody_is_signed_in_to_end_sooner_and_an_expiry_of_their_own_is_kept_to() {
        let lifetime = Lifetime::default();
        let now = StoreTime(1_000_000);
        let left = |lifetime: Lifetime, expiry| Limits::start(&lifetime, expiry, now).left(now).unwrap();
        assert_eq!(left(lifetime.of(false), Expiry::Configured), DAY);
        assert_eq!(left(lifetime.of(false), Expiry::OnBrowserClose), DAY);
        assert_eq!(left(lifetime.of(false), Expiry::OnInactivity(30 * DAY)), 30 * DAY);
        assert_eq!(left(lifetime.of(true), Expiry::Configured), 14 * DAY);
        let anonymous = Limits::start(&lifetime.of(false), Expiry::Configured, now);
        assert_eq!(anonymous.restart(&lifetime.of(true), Expiry::Configured, now).left(now), Some(14 * DAY));
        assert_eq!(left(lifetime.with_idle(SECOND).of(false), Expiry::Configured), SECOND);
        assert_eq!(left(lifetime.with_anonymous(60 * DAY).of(false), Expiry::Configured), 14 * DAY);
        assert_eq!(left(lifetime.with_anonymous(Duration::ZERO).of(false), Expiry::Configured).as_millis(), 1);
    }

    #[test]
    fn no_session_outlives_its_assurance_level_remembered_or_not() {
        const MINUTE: Duration = Duration::from_secs(60);
        let now = StoreTime(1_000_000);
        for (lifetime, absolute, idle) in [
            (Lifetime::aal1(), 30 * DAY, 30 * DAY),
            (Lifetime::aal2(), 24 * 60 * MINUTE, 60 * MINUTE),
            (Lifetime::aal3(), 12 * 60 * MINUTE, 15 * MINUTE),
        ] {
            for expiry in [Expiry::Configured, Expiry::OnBrowserClose, Expiry::OnInactivity(lifetime.remembered())] {
                let limits = Limits::start(&lifetime.of(true), expiry, now);
                assert_eq!((limits.idle, limits.deadline), (idle, now.after(absolute)));
            }
            assert!(lifetime.anonymous() <= idle);
        }
    }

    #[cfg(feature = "django")]
    #[test]
    fn django_has_one_lifetime_for_all_unless_another_is_set() {
        let lifetime = Lifetime::default();
        assert_eq!(lifetime.of_django(false).idle(), 14 * DAY);
        assert_eq!(lifetime.with_anonymous(DAY).of_django(false).idle(), DAY);
        assert_eq!(lifetime.with_anonymous(DAY).of_django(true).idle(), 14 * DAY);
    }

    #[test]
    fn an_expiry_that_is_set_again_and_again_does_not_put_off_the_absolute_limit() {
        for seconds in [10, 60] {
            let expiry = Expiry::OnInactivity(seconds * SECOND);
            let mut limits = started(StoreTime(1_000_000)).with_expiry(&lifetime(), expiry);
            let deadline = limits.deadline;
            for later in 1..5 {
                limits = limits.touch(StoreTime(1_000_000 + later * 4_000)).with_expiry(&lifetime(), expiry);
            }
            assert_eq!(limits.deadline, deadline);
        }
    }

    #[test]
    fn a_sign_in_replaces_the_expiry() {
        let now = StoreTime(1_000_000);
        let remembered = Limits::start(&lifetime(), Expiry::OnInactivity(60 * SECOND), now);
        assert_eq!(remembered.restart(&lifetime(), Expiry::Configured, now), started(now).signed_in_at(now));
    }

    #[test]
    fn a_share_that_is_no_number_is_the_default_one() {
        let of = |share| Lifetime::default().with_touch_after(share);
        assert_eq!(of(f64::NAN), Lifetime::default());
        assert_eq!((of(-1.0), of(2.0)), (of(0.0), of(1.0)));
    }

    #[test]
    fn use_extends_the_idle_limit_but_not_the_absolute_one() {
        let start = StoreTime(1_000_000);
        let limits = started(start);
        assert_eq!(limits.left(start), Some(10 * SECOND));
        assert_eq!(limits.left(start.after(10 * SECOND)), None);
        let later = start.after(9 * SECOND);
        assert_eq!(limits.touch(later).left(later), Some(10 * SECOND));
        let late = start.after(20 * SECOND);
        assert_eq!(limits.touch(late).left(late), Some(5 * SECOND));
        assert_eq!(limits.touch(start.after(26 * SECOND)).left(start.after(26 * SECOND)), None);
    }

    #[test]
    fn a_sign_in_restarts_the_absolute_limit_and_keeps_the_start() {
        let start = StoreTime(1_000_000);
        let later = start.after(20 * SECOND);
        let limits = started(start).restart(&lifetime(), Expiry::Configured, later);
        assert_eq!((limits.created, limits.deadline), (start, later.after(25 * SECOND)));
        let used = limits.touch(later.after(SECOND)).with_expiry(&lifetime(), Expiry::OnBrowserClose);
        assert_eq!((started(start).signed_in, used.signed_in), (StoreTime::default(), later));
    }

    #[test]
    fn a_touch_never_goes_back_in_time() {
        let start = StoreTime(1_000_000);
        let limits = started(start);
        assert_eq!(limits.touch(StoreTime(5)), limits);
    }

    #[test]
    fn a_touch_is_due_after_its_share_of_the_idle_time() {
        let limits = started(StoreTime(0));
        assert!(!lifetime().touch_is_due(&limits, StoreTime(999), None));
        assert!(lifetime().touch_is_due(&limits, StoreTime(1_000), None));
        assert!(lifetime().with_touch_after(0.0).touch_is_due(&limits, StoreTime(0), None));
    }

    #[test]
    fn absurd_durations_do_not_overflow() {
        let lifetime = Lifetime::default().with_idle(Duration::MAX).with_absolute(Duration::MAX);
        let limits = Limits::start(&lifetime, Expiry::OnInactivity(Duration::MAX), StoreTime(u64::MAX - 1));
        assert_eq!(limits.expires(), StoreTime(u64::MAX));
        assert!(!lifetime.touch_is_due(&limits, StoreTime(u64::MAX), None));
        assert!(!lifetime.with_touch_after(1.0).touch_is_due(
            &Limits { idle: Duration::MAX, ..limits },
            StoreTime(0),
            None
        ));
    }
}
