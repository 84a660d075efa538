//! A second look: whether the sign-in is recent enough for what a stolen cookie must not do.

use std::time::Duration;

use crate::{engine::session::Session, error::Error, record::time::StoreTime, users::UnauthenticatedReason};

impl Session {
    /// Goes on only if somebody is signed in who signed in within `max_age`: for a new password or address, or the
    /// deletion of an account (OWASP ASVS 5.0, 7.5.1). Ask the others for their password and call
    /// [`login`](Session::login) again, with the [expiry](Session::expiry) that the session has. One SELECT, even
    /// with a [user cache](crate::users::UserCache), which extractors of the same request do not repeat.
    ///
    /// Sessions that do not say [when](Session::authenticated_at) count as too old, and so does a sign-in of this
    /// request until it is stored.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) if nobody is signed in, or the sign-in is
    /// older; [`UnauthenticatedReason::of`] says which. [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store or
    /// the database fails.
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
