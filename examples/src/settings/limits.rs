//! What one client may cost the others.

use std::time::Duration;

use super::{MAX_SECONDS, SettingsError, reader::Reader};

const DAY: u64 = 86_400;
const MIN_SIZE: u32 = 512;
const MAX_SIZE: u32 = 512 * 1024;
const MAX_COUNT: u32 = 1_000_000;

/// The limits of sessions and sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `SESSION_ANONYMOUS_AGE`, default a day, in Django's profiles `SESSION_IDLE`: how long a session lives unused that
    /// nobody is signed in to.
    pub anonymous_age: Duration,
    /// `SESSION_ANONYMOUS_SIZE`, default 20480 bytes: how large it may be. One preference of the largest size fits.
    pub anonymous_size: usize,
    /// `SESSION_ANONYMOUS_RATE`, default 300: how many of them one address may start in an hour. `None` (0): any number.
    pub anonymous_rate: Option<u32>,
    /// `SESSION_MAX_PER_USER`, default 100, in Django's profiles any number: a sign-in beyond it ends the user's oldest
    /// session. `None` (0): any number.
    pub max_per_user: Option<u32>,
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
