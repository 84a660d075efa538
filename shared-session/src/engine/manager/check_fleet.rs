//! Checks that the settings of this service match the sessions in the store. Run it before the first write: a service
//! with the wrong prefix finds no session, and one with the wrong codec or key signs all users out.

use bytes::Bytes;

use crate::{
    engine::{core::Core, manager::SessionManager},
    error::{Error, ErrorKind},
    record::{Fit, Identity},
};

/// The number of sessions to check.
const SESSIONS: usize = 20;
/// The maximum number of pages of keys to scan for them. On Redis a page is one SCAN of about a hundred keys.
const PAGES: usize = 200;

/// The result of a successful [`SessionManager::check_fleet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetCheck {
    /// The number of sessions that were read.
    pub sessions: usize,
    /// The number of these sessions whose user's row confirms them.
    pub users: usize,
}

impl FleetCheck {
    /// The settings that no stored session could confirm, as a line for a log; `None` if all were checked. This is no
    /// error: a new deployment has no sessions yet.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// use shared_session::{SessionManager, store::MemoryStore};
    ///
    /// let found = SessionManager::new(MemoryStore::new()).check_fleet().await?;
    /// let line = "no session found under this key prefix: the settings are not checked";
    /// assert_eq!(found.unchecked(), Some(line));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn unchecked(&self) -> Option<&'static str> {
        match (self.sessions, self.users) {
            (0, _) => Some("no session found under this key prefix: the settings are not checked"),
            (_, 0) => Some("no signed-in session found: secret key and user table are not checked"),
            _ => None,
        }
    }
}

/// The findings in the store.
#[derive(Debug, Default)]
struct Findings {
    /// Sessions whose program can also read the codec of this service.
    fitting: usize,
    /// The error message for a session in another codec.
    other_codec: Option<String>,
    unreadable: Option<Error>,
    /// Signed-in sessions that the user's row confirms.
    confirmed: usize,
    /// Signed-in sessions that the user's row does not confirm: a new password, or other keys.
    denied: usize,
    /// Set if there are sessions under another key prefix and none under ours.
    elsewhere: Option<String>,
    /// Sessions that the store keeps until the expiry in their record.
    punctual: usize,
    /// The number of seconds, in whole quarter-hours, that the store keeps another session after the expiry in its
    /// record.
    shifted: Option<i64>,
}

impl SessionManager {
    /// Reads up to twenty sessions in the store, and their users, and checks that this service has the same settings as
    /// the programs that made them: key prefix, codec, secret key. Writes nothing. Call it before the service starts:
    /// tens of round trips, or hundreds if the store holds much other data.
    ///
    /// It cannot see the name, the domain or the path of a cookie, because the store does not hold them. Services that
    /// give the cookie different names pass this check and do not share their sign-ins.
    ///
    /// An empty store matches any settings. A few sessions that cannot be read, or whose user has a new password, are
    /// normal; if there are no others, the settings do not match.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with one line that names the setting that does not match. [`ErrorKind::Unavailable`] if
    /// the store or the database fails.
    pub async fn check_fleet(&self) -> Result<FleetCheck, Error> {
        judge(self.0.look().await?)
    }
}

fn judge(found: Findings) -> Result<FleetCheck, Error> {
    let mismatch = |message: String| Err(Error::new(ErrorKind::Config, message));
    match found {
        Findings { fitting: 0, other_codec: None, unreadable: None, elsewhere: Some(elsewhere), .. } => {
            mismatch(format!("the store holds sessions under another key prefix: {elsewhere}"))
        }
        Findings { fitting: 0, other_codec: None, unreadable: Some(error), .. } => mismatch(format!(
            "none of the sessions in the store can be read, so the codec or the secret key does not match: {error}"
        )),
        Findings { fitting: 0, other_codec: Some(other), .. } => mismatch(other),
        Findings { punctual: 0, shifted: Some(by), .. } => mismatch(format!(
            "the store keeps sessions for {} min {} than their records state, so the time zone in which it holds local \
             times, or the lifetime of sessions, does not match",
            by.unsigned_abs() / 60,
            if by > 0 { "longer" } else { "less" },
        )),
        Findings { confirmed: 0, denied: 1.., .. } => mismatch(
            "none of the signed-in sessions in the store belongs to its user, so the secret key or the user table does not \
             match"
                .to_owned(),
        ),
        found => Ok(FleetCheck { sessions: found.fitting, users: found.confirmed }),
    }
}

impl Core {
    async fn look(&self) -> Result<Findings, Error> {
        let mut found = Findings::default();
        let places =
            self.sample(&self.profile.session_prefix(), |key| self.profile.place_of_key(key), SESSIONS).await?;
        if places.is_empty() {
            found.elsewhere = self.elsewhere().await?;
        }
        for place in places {
            let Some(bytes) = self.store.load(&place.key).await? else { continue };
            let record = match self.decode(&place.key, &bytes, self.now().await?) {
                Ok(record) => record,
                // The record is readable with other settings.
                Err(error) if error.kind() == ErrorKind::Config => return Err(error),
                Err(error) => {
                    found.unreadable = Some(error);
                    continue;
                }
            };
            match self.shift(&place.key, &bytes).await? {
                Some(0) => found.punctual += 1,
                Some(by) => found.shifted = Some(by),
                None => {}
            }
            match self.profile.fit(&record) {
                Fit::Same => found.fitting += 1,
                Fit::OtherCodec(other) => found.other_codec = Some(other),
            }
            if let Some(identity) = &record.head.user {
                match self.confirms(identity).await {
                    Ok(Some(true)) => found.confirmed += 1,
                    Ok(Some(false)) => found.denied += 1,
                    Ok(None) => {}
                    // This concerns one user only, not the settings.
                    Err(error) if error.kind() == ErrorKind::Unreadable => {
                        tracing::warn!(%error, "the user of a session cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// The setting that would find a session that is stored under another prefix.
    async fn elsewhere(&self) -> Result<Option<String>, Error> {
        let named = |key: &str| Some((key.to_owned(), self.profile.elsewhere(key)?));
        for (key, setting) in self.sample("", named, SESSIONS).await? {
            // A value that is not a session record belongs to another program.
            if self.store.load(&key).await.is_ok_and(|bytes| bytes.is_some_and(|bytes| self.profile.recognizes(&bytes)))
            {
                return Ok(Some(setting));
            }
        }
        Ok(None)
    }

    /// The number of seconds that the store keeps a session after the expiry in its record, in whole quarter-hours as
    /// in time zones; `None` if it is unknown or not a number of quarter-hours.
    async fn shift(&self, key: &str, bytes: &Bytes) -> Result<Option<i64>, Error> {
        let Some(written) = self.profile.written(bytes) else { return Ok(None) };
        let Some(expires) = self.store.expires(key).await? else { return Ok(None) };
        let says = self.decode(key, bytes, written)?.head.limits.expires();
        let (expires, says) = (i64::try_from(expires.0).unwrap_or(i64::MAX), i64::try_from(says.0).unwrap_or(i64::MAX));
        Ok(quarters(expires.saturating_sub(says) / 1000))
    }

    /// The results of `pick` for keys that start with `prefix`, `most` at most.
    async fn sample<T>(&self, prefix: &str, pick: impl Fn(&str) -> Option<T>, most: usize) -> Result<Vec<T>, Error> {
        let (mut picked, mut from) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self.store.scan(prefix, from.as_deref()).await?;
            picked.extend(page.keys.iter().filter_map(|key| pick(key)).take(most - picked.len()));
            from = page.next;
            if picked.len() >= most || from.is_none() {
                break;
            }
        }
        Ok(picked)
    }

    /// Whether the user's row confirms the marks; `None` without users, or if there is no active user.
    #[cfg(feature = "users")]
    async fn confirms(&self, identity: &Identity) -> Result<Option<bool>, Error> {
        let Some(users) = &self.users else { return Ok(None) };
        Ok(users.find(identity).await?.filter(|user| user.is_active()).map(|user| user.holds(identity)))
    }

    #[cfg(not(feature = "users"))]
    #[allow(clippy::unused_async, clippy::unused_self, reason = "it has the signature of the one with users")]
    async fn confirms(&self, _: &Identity) -> Result<Option<bool>, Error> {
        Ok(None)
    }
}

/// The nearest number of quarter-hours, in seconds, if `seconds` is close to it and it is a possible difference between
/// two time zones.
fn quarters(seconds: i64) -> Option<i64> {
    const QUARTER: i64 = 900;
    /// A program reads its clock twice, for the signature and for the expiry, with a small delay between.
    const SLACK: i64 = 10;
    const FARTHEST: i64 = 26 * 3600;
    let nearest = (seconds + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    ((nearest - seconds).abs() <= SLACK && nearest.abs() <= FARTHEST).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_difference_between_time_zones_is_a_shift() {
        for (seconds, shift) in [(0, 0), (-9, 0), (3600, 3600), (28_795, 28_800), (-18_003, -18_000), (20_700, 20_700)]
        {
            assert_eq!(quarters(seconds), Some(shift), "{seconds}");
        }
        for seconds in [-10, 10, 900 - 10, 900 + 10, 26 * 3600, -26 * 3600] {
            assert!(quarters(seconds).is_some(), "{seconds}");
        }
        for seconds in [-11, 11, 60, 450, -1000, 26 * 3600 + 900, 27 * 3600, -1_206_000, i64::MAX - 900] {
            assert_eq!(quarters(seconds), None, "{seconds}");
        }
    }

    #[test]
    fn settings_that_no_session_confirms_are_reported() {
        let line = |sessions, users| FleetCheck { sessions, users }.unchecked().unwrap_or_default();
        assert!(line(0, 0).starts_with("no session found") && line(3, 0).starts_with("no signed-in session"));
        assert_eq!(line(3, 1), "");
    }

    fn refusal(found: Findings) -> String {
        let error = judge(found).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn an_empty_store_fits_everybody() {
        assert_eq!(judge(Findings::default()).unwrap(), FleetCheck::default());
    }

    #[test]
    fn one_fitting_session_outweighs_those_that_do_not_fit() {
        let found = Findings {
            fitting: 1,
            confirmed: 1,
            denied: 5,
            unreadable: Some(ErrorKind::Unreadable.into()),
            other_codec: Some("json".into()),
            punctual: 1,
            shifted: Some(3600),
            ..Findings::default()
        };
        assert_eq!(judge(found).unwrap(), FleetCheck { sessions: 1, users: 1 });
    }

    #[test]
    fn each_mismatch_is_named() {
        let unreadable = || Some(ErrorKind::Unreadable.into());
        assert!(refusal(Findings { elsewhere: Some("shop:2:".into()), ..Findings::default() }).contains("shop:2:"));
        assert!(refusal(Findings { unreadable: unreadable(), ..Findings::default() }).contains("codec"));
        assert_eq!(
            refusal(Findings { other_codec: Some("json".into()), unreadable: unreadable(), ..Findings::default() }),
            "json"
        );
        assert!(refusal(Findings { fitting: 3, denied: 1, ..Findings::default() }).contains("secret key"));
        let shifted = refusal(Findings { fitting: 3, confirmed: 1, shifted: Some(-18_000), ..Findings::default() });
        assert!(shifted.contains("300 min less") && shifted.contains("time zone"), "{shifted}");
    }
}
