//! Limits on anonymous sessions, sessions of a user and sign-ins.

use std::time::Duration;

use super::{SettingsError, lifetimes::MAX_SECONDS, reader::Reader};

const DAY: u64 = 86_400;
const MIN_SIZE: u32 = 512;
const MAX_SIZE: u32 = 512 * 1024;
const MAX_COUNT: u32 = 1_000_000;

/// The limits of sessions and sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `SESSION_ANONYMOUS_AGE`, default a day, in Django's profiles `SESSION_IDLE`: how long an anonymous session lives
    /// unused.
    pub anonymous_age: Duration,
    /// `SESSION_ANONYMOUS_SIZE`, default 20480 bytes: the limit of an anonymous session. One preference of the largest
    /// size fits.
    pub anonymous_size: usize,
    /// `SESSION_ANONYMOUS_RATE`, default 300: how many anonymous sessions one address may start in an hour. `None` (0):
    /// no limit.
    pub anonymous_rate: Option<u32>,
    /// `SESSION_MAX_PER_USER`, default 100, in Django's profiles no limit: a sign-in beyond it ends the user's oldest
    /// session. `None` (0): no limit.
    pub max_per_user: Option<u32>,
    /// `SESSION_FRESH`, default 900 s: how long after a sign-in staff may perform actions that give others power
    /// without entering the password again in `site`. `None` (0): always.
    pub fresh: Option<Duration>,
    /// `SIGN_IN_LIMIT`, default on: whether failed sign-ins, password checks and registrations slow the next ones down.
    pub sign_ins: bool,
}

impl Limits {
    pub(super) fn read(reader: &Reader<'_>, is_django: bool, idle: Duration) -> Result<Self, SettingsError> {
        let age = if is_django { idle.as_secs() } else { idle.as_secs().min(DAY) };
        let rate = reader.count_from("SESSION_ANONYMOUS_RATE", 300, 0, MAX_COUNT)?;
        let size = reader.count_from("SESSION_ANONYMOUS_SIZE", 20 * 1024, MIN_SIZE, MAX_SIZE)?;
        let most = if is_django { 0 } else { 100 };
        let max_per_user = reader.count_from("SESSION_MAX_PER_USER", most, 0, MAX_COUNT)?;
        let limits = Self {
            anonymous_age: reader.seconds("SESSION_ANONYMOUS_AGE", age, MAX_SECONDS)?,
            anonymous_size: usize::try_from(size).unwrap_or(usize::MAX),
            anonymous_rate: Some(rate).filter(|rate| *rate > 0),
            max_per_user: Some(max_per_user).filter(|most| *most > 0),
            fresh: reader.seconds_or_none("SESSION_FRESH", 15 * 60, MAX_SECONDS)?,
            sign_ins: reader.switch("SIGN_IN_LIMIT", true)?,
        };
        if limits.anonymous_age > idle {
            let (age, idle) = (limits.anonymous_age.as_secs(), idle.as_secs());
            return Err(SettingsError(format!(
                "SESSION_ANONYMOUS_AGE is {age}; expected at most SESSION_IDLE, which is {idle}"
            )));
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::testing::{assert_refused, refusal, site};

    #[test]
    fn the_limits_for_clients_can_be_set() {
        let limits = site(&[]).limits;
        assert_eq!((limits.anonymous_age.as_secs(), limits.anonymous_size), (86_400, 20_480));
        assert_eq!((limits.anonymous_rate, limits.sign_ins, limits.max_per_user), (Some(300), true, Some(100)));
        let set = [
            ("SESSION_ANONYMOUS_AGE", "60"),
            ("SESSION_ANONYMOUS_SIZE", "1024"),
            ("SESSION_ANONYMOUS_RATE", "0"),
            ("SIGN_IN_LIMIT", "off"),
            ("SESSION_MAX_PER_USER", "0"),
            ("SESSION_FRESH", "0"),
        ];
        let limits = site(&set).limits;
        assert_eq!((limits.anonymous_age.as_secs(), limits.anonymous_size), (60, 1024));
        assert_eq!((limits.anonymous_rate, limits.sign_ins, limits.max_per_user), (None, false, None));
        assert_eq!(site(&[("SESSION_IDLE", "30")]).limits.anonymous_age.as_secs(), 30);
        let django =
            site(&[("SESSION_PROFILE", "django-db"), ("SECRET_KEY", "k"), ("DATABASE_URL", "sqlite://db.sqlite3")]);
        assert_eq!(django.limits.anonymous_age, django.idle, "Django has one lifetime for all sessions");
        assert_refused("SESSION_ANONYMOUS_AGE", &["0", "-1", "1d", "315360001"]);
        assert_refused("SESSION_ANONYMOUS_SIZE", &["0", "511", "524289", "4k"]);
        assert_refused("SESSION_ANONYMOUS_RATE", &["-1", "1000001", "many"]);
        assert_eq!(django.limits.max_per_user, None);
        assert_refused("SESSION_MAX_PER_USER", &["-1", "1000001", "all"]);
        assert_eq!((site(&[]).limits.fresh, limits.fresh), (Some(std::time::Duration::from_secs(900)), None));
        assert_refused("SESSION_FRESH", &["-1", "15m", "315360001"]);
        assert_refused("SIGN_IN_LIMIT", &["5", "perhaps"]);
        let message = refusal(&[("SESSION_IDLE", "4"), ("SESSION_ANONYMOUS_AGE", "5")]);
        assert_eq!(message, "SESSION_ANONYMOUS_AGE is 5; expected at most SESSION_IDLE, which is 4");
    }
}
