//! Session lifetimes.

use std::time::Duration;

use super::{SettingsError, reader::Reader};

/// Ten years.
pub(super) const MAX_SECONDS: u64 = 315_360_000;

/// `SESSION_IDLE`, `SESSION_ABSOLUTE` and `SESSION_REMEMBER_AGE`.
pub(super) struct Lifetimes {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) remembered: Duration,
}

impl Lifetimes {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, SettingsError> {
        let idle = reader.seconds("SESSION_IDLE", 1_209_600, MAX_SECONDS)?;
        let absolute = reader.seconds("SESSION_ABSOLUTE", 7_776_000, MAX_SECONDS)?;
        if idle > absolute {
            let (idle, absolute) = (idle.as_secs(), absolute.as_secs());
            return Err(SettingsError(format!(
                "SESSION_IDLE is {idle}; expected at most SESSION_ABSOLUTE, which is {absolute}"
            )));
        }
        let remembered = reader.seconds("SESSION_REMEMBER_AGE", absolute.as_secs(), MAX_SECONDS)?;
        Ok(Self { idle, absolute, remembered })
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::testing::{assert_refused, refusal, site};

    #[test]
    fn lifetimes_are_seconds_and_idle_is_not_longer_than_absolute() {
        let settings = site(&[("SESSION_IDLE", "2"), ("SESSION_ABSOLUTE", "3")]);
        assert_eq!((settings.idle.as_secs(), settings.absolute.as_secs()), (2, 3));
        assert_eq!(settings.remembered.as_secs(), 3, "as long as any session may live");
        assert_eq!(site(&[("SESSION_REMEMBER_AGE", "5")]).remembered.as_secs(), 5);
        for name in ["SESSION_IDLE", "SESSION_ABSOLUTE", "SESSION_REMEMBER_AGE"] {
            assert_refused(name, &["0", "-1", "+5", "1h", "1.5", "315360001", "99999999999999999999"]);
        }
        let message = refusal(&[("SESSION_IDLE", "4"), ("SESSION_ABSOLUTE", "3")]);
        assert_eq!(message, "SESSION_IDLE is 4; expected at most SESSION_ABSOLUTE, which is 3");
    }
}
