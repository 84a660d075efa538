//! The secret that a session's current one replaced: for a while its holder may end the session, and do nothing else.
//!
//! A browser that signs out while another of its requests replaces the cookie sends this secret. An attacker who
//! planted a cookie before the victim signed in knows it as well; so it is kept only if the same user was signed in
//! before and after.

use std::time::Duration;

use super::{
    id::{SecretHash, Token},
    time::StoreTime,
};

/// For this long after a secret was replaced, a request that still carries it counts as a late one of the same browser.
pub(crate) const GRACE: Duration = Duration::from_secs(60);

/// The secret that the current one replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) secret_hash: SecretHash,
    /// When it was replaced. If the record has another time for its current secret, a writer that does not support this
    /// member has replaced the secret since, and the holder of this one is unknown.
    pub(crate) replaced: StoreTime,
}

impl Previous {
    /// The previous secret that a version keeps. `users`: the users before and after the write; `replaced`: the secret
    /// that the write replaces, if it does; `held`: the previous secret of the version before, if it
    /// [counts](Self::counts).
    pub(crate) fn after(
        held: Option<Self>,
        users: [Option<&str>; 2],
        replaced: Option<SecretHash>,
        now: StoreTime,
    ) -> Option<Self> {
        let [before, after] = users;
        if before.is_none() || before != after {
            return None;
        }
        replaced.map(|secret_hash| Self { secret_hash, replaced: now }).or(held)
    }

    /// Whether it is valid at `now`, in a record whose secret was replaced at `rotated`.
    pub(crate) fn counts(&self, rotated: StoreTime, now: StoreTime) -> bool {
        self.replaced == rotated && now.since(rotated) < GRACE
    }

    /// Whether `token` carries this secret. Compares in constant time.
    pub(crate) fn is_of(&self, token: &Token) -> bool {
        token.secret.hash().is(self.secret_hash.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_where_the_same_user_is_signed_in_before_and_after_and_for_a_minute() {
        let hash = |byte| SecretHash::stored(&[byte; SecretHash::LEN]).unwrap();
        let (then, now) = (StoreTime(1_700_000_000_000), StoreTime(1_700_000_030_000));
        let before = Previous { secret_hash: hash(b'H'), replaced: then };
        let held = Some(before);
        let new = Some(Previous { secret_hash: hash(b'N'), replaced: now });
        for (users, when_replaced, when_not) in [
            ([Some("1"), Some("1")], new, held),
            ([None, Some("1")], None, None),
            ([Some("1"), Some("2")], None, None),
            ([Some("1"), None], None, None),
            ([None, None], None, None),
        ] {
            assert_eq!(Previous::after(held, users, Some(hash(b'N')), now), when_replaced, "{users:?}");
            assert_eq!(Previous::after(held, users, None, now), when_not, "{users:?}");
        }
        assert!(before.counts(then, now) && before.counts(then, StoreTime(then.0 + 59_999)));
        assert!(!before.counts(then, StoreTime(then.0 + 60_000)));
        assert!(
            !before.counts(StoreTime(then.0 + 1), now),
            "the secret was replaced again by a writer that kept the member"
        );
    }
}
