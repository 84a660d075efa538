//! A check that the sign-in is recent enough for an operation that a stolen cookie must not allow.

use std::time::Duration;

use crate::{engine::session::Session, error::Error, record::time::StoreTime, users::UnauthenticatedReason};

impl Session {
    /// Succeeds only if the user signed in within `max_age`: for a new password or address, or the deletion of an
    /// account (OWASP ASVS 5.0, 7.5.1). Otherwise ask for the password and call [`login`](Session::login) again, with
    /// the current [expiry](Session::expiry) of the session. One SELECT, even with a [user
    /// cache](crate::users::UserCache), which extractors of the same request do not repeat.
    ///
    /// A session without the [time](Session::authenticated_at) of its sign-in counts as too old, and so does a sign-in
    /// of this request until it is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) if the session has no signed-in user, or the
    /// sign-in is older; [`UnauthenticatedReason::of`] tells the two apart.
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store or the database fails.
    pub async fn require_fresh(&self, max_age: Duration) -> Result<(), Error> {
        self.past_user_cache();
        self.signed_in().await?;
        let now = self.0.core.now().await?;
        if is_fresh(self.authenticated_at(), now, max_age) {
            Ok(())
        } else {
            Err(UnauthenticatedReason::TooLongAgo.into_error())
        }
    }
}

fn is_fresh(authenticated_at: Option<StoreTime>, now: StoreTime, max_age: Duration) -> bool {
    authenticated_at.is_some_and(|at| now.since(at) <= max_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_fresh_up_to_its_greatest_age_and_an_unknown_one_never_is() {
        let minute = Duration::from_secs(60);
        let at = StoreTime(1_000_000);
        for (authenticated_at, later, fresh) in [
            (Some(at), Duration::ZERO, true),
            (Some(at), minute, true),
            (Some(at), minute + Duration::from_millis(1), false),
            (None, Duration::ZERO, false),
        ] {
            assert_eq!(is_fresh(authenticated_at, at.after(later), minute), fresh, "{authenticated_at:?} {later:?}");
        }
        assert!(is_fresh(Some(at.after(minute)), at, Duration::ZERO), "another service's clock runs a little ahead");
    }
}
