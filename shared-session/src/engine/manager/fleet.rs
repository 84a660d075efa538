//! Does this service fit the fleet whose sessions are in the store? To be asked before the first write: a service with
//! the wrong prefix sees nobody, and one with the wrong codec or key signs everybody out.

use bytes::Bytes;

use crate::{
    engine::{core::Core, manager::SessionManager},
    error::{Error, ErrorKind},
    record::{Fit, Identity},
};

/// How many sessions are looked at.
const SESSIONS: usize = 20;
/// How many pages of keys are walked to find them. On Redis a page is one SCAN of about a hundred keys.
const PAGES: usize = 200;

/// What [`SessionManager::check_fleet`] found to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetCheck {
    /// How many sessions were read.
    pub sessions: usize,
    /// How many of them belong to a user whose row confirmed it.
    pub users: usize,
}

impl FleetCheck {
    /// What nothing in the store could confirm, each as a line for a log. None of it is wrong as far as is known: a new
    /// deployment has no sessions yet.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// use shared_session::{SessionManager, store::MemoryStore};
    ///
    /// let found = SessionManager::new(MemoryStore::new()).check_fleet().await?;
    /// assert_eq!(found.unchecked().next(), Some("checked prefix: no session found under it"));
    /// # Ok(()) }
    /// ```
    pub fn unchecked(&self) -> impl Iterator<Item = &'static str> {
        let sessions = (self.sessions == 0).then_some([
            "checked prefix: no session found under it",
            "not checked: codec and times, for there is no session to read",
        ]);
        let users = (self.users == 0).then_some("not checked: secret key and user table, for nobody is signed in");
        sessions.into_iter().flatten().chain(users)
    }
}

/// What a look at the store found.
#[derive(Debug, Default)]
struct Findings {
    /// Sessions in a codec that the rest of the fleet reads from us too.
    fitting: usize,
    /// What is wrong with one in another codec.
    other_codec: Option<String>,
    unreadable: Option<Error>,
    /// Signed in, and the user's row says so.
    confirmed: usize,
    /// Signed in, and the user's row does not confirm it: a new password, or other keys.
    denied: usize,
    /// Sessions under another key prefix, where none is under ours.
    elsewhere: Option<String>,
    /// Sessions that the store keeps until they say that they end.
    punctual: usize,
    /// By how many seconds later than they say it keeps others: a whole number of quarter-hours.
    shifted: Option<i64>,
}

impl SessionManager {
    /// Looks at up to twenty sessions in the store, and their users, and says whether this service is set up as the
    /// programs that made them: key prefix, codec, secret key. Writes nothing. Call it before the service starts: tens
    /// of round trips, hundreds where the store holds much besides sessions.
    ///
    /// An empty store fits everybody. A few sessions that cannot be read, or whose user has a new password, are usual;
    /// if there are no others, the service does not fit.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with one line that says which setting does not match. [`ErrorKind::Unavailable`] if the
    /// store or the database fails.
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
            "none of the sessions in the store can be read, so codec or secret key do not match: {error}"
        )),
        Findings { fitting: 0, other_codec: Some(other), .. } => mismatch(other),
        Findings { punctual: 0, shifted: Some(by), .. } => mismatch(format!(
            "the store keeps sessions for {} min {} than they say, so the time zone in which it holds local times, or the \
             lifetime of sessions, does not match",
            by.unsigned_abs() / 60,
            if by > 0 { "longer" } else { "less" },
        )),
        Findings { confirmed: 0, denied: 1.., .. } => mismatch(
            "none of the signed-in sessions in the store belongs to its user, so secret key or user table do not match"
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
                // It can be read, once this service is told how.
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
                    // That is the trouble of one user, and says nothing about the fleet.
                    Err(error) if error.kind() == ErrorKind::Unreadable => {
                        tracing::warn!(%error, "the user of a session cannot be read");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// Which setting would find a session that is stored under another prefix.
    async fn elsewhere(&self) -> Result<Option<String>, Error> {
        let named = |key: &str| Some((key.to_owned(), self.profile.elsewhere(key)?));
        for (key, setting) in self.sample("", named, SESSIONS).await? {
            // What is no text or record of ours is something else under such a key.
            if self.store.load(&key).await.is_ok_and(|bytes| bytes.is_some_and(|bytes| self.profile.recognizes(&bytes)))
            {
                return Ok(Some(setting));
            }
        }
        Ok(None)
    }

    /// By how many seconds the store keeps a session for longer than it says, in whole quarter-hours as time zones have
    /// them; `None` if that is not known, or is something else.
    async fn shift(&self, key: &str, bytes: &Bytes) -> Result<Option<i64>, Error> {
        let Some(written) = self.profile.written(bytes) else { return Ok(None) };
        let Some(expires) = self.store.expires(key).await? else { return Ok(None) };
        let says = self.decode(key, bytes, written)?.head.limits.expires();
        let (expires, says) = (i64::try_from(expires.0).unwrap_or(i64::MAX), i64::try_from(says.0).unwrap_or(i64::MAX));
        Ok(quarters(expires.saturating_sub(says) / 1000))
    }

    /// What `pick` makes of up to `most` keys that start with `prefix`.
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

    /// Whether the user's row confirms the marks; `None` where nobody can tell.
    #[cfg(feature = "users")]
    async fn confirms(&self, identity: &Identity) -> Result<Option<bool>, Error> {
        let Some(users) = &self.users else { return Ok(None) };
        Ok(users.find(identity).await?.filter(|user| user.is_active()).map(|user| user.holds(identity)))
    }

    #[cfg(not(feature = "users"))]
    #[allow(clippy::unused_async, clippy::unused_self, reason = "the twin of the one with users")]
    async fn confirms(&self, _: &Identity) -> Result<Option<bool>, Error> {
        Ok(None)
    }
}

/// The nearest number of quarter-hours, in seconds, if it is within seconds of one that two zones can be apart.
fn quarters(seconds: i64) -> Option<i64> {
    const QUARTER: i64 = 900;
    /// A program writes down when it signs and when a session ends at almost the same time.
    const SLACK: i64 = 10;
    const FARTHEST: i64 = 26 * 3600;
    let nearest = (seconds + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    ((nearest - seconds).abs() <= SLACK && nearest.abs() <= FARTHEST).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_time_zone_can_explain_is_a_shift() {
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
    fn what_nothing_confirmed_is_said() {
        let lines = |sessions, users| FleetCheck { sessions, users }.unchecked().count();
        assert_eq!((lines(0, 0), lines(3, 0), lines(3, 1)), (3, 1, 0));
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
    fn what_fits_outweighs_what_does_not() {
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
