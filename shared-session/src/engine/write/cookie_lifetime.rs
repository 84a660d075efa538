//! How long the browser keeps the cookie, and when a write sends it again.

use std::{sync::Arc, time::Duration};

use crate::{
    cookie::CookieConfig,
    engine::{core::Core, outcome::CookieAction, write::written::Written},
    record::{Record, expiry::Expiry, id::Token},
    store::StoreTime,
};

impl Core {
    /// The result of a write that replaced `base` with `next` and kept the browser's cookie. The cookie is sent again
    /// if it would expire before the session does, or if its lifetime has changed.
    pub(crate) fn extended(&self, token: &Token, base: &Record, next: Arc<Record>, now: StoreTime) -> Written {
        let max_age = self.max_age(&next, now);
        let is_due = match max_age {
            None => self.max_age(base, now).is_some(),
            Some(_) if self.lifetime.saves_every_request() => true,
            Some(_) if self.profile.cookie_rolls() || base.head.limits.expiry != next.head.limits.expiry => true,
            Some(max_age) => ends_before(max_age, next.head.limits.deadline.since(now)),
        };
        if is_due {
            let cookie = CookieAction::Extend(token.clone(), max_age);
            return Written { session: Some((token.clone(), next)), cookie, failure: None };
        }
        Written::kept(token, next)
    }

    /// How long the browser has to keep the cookie of `record`, as of `now`; `None`: as long as the browser runs.
    pub(crate) fn max_age(&self, record: &Record, now: StoreTime) -> Option<Duration> {
        let limits = &record.head.limits;
        let max_age = match limits.expiry {
            Expiry::Configured => self.cookie.max_age()?.min(limits.deadline.since(now)),
            Expiry::OnBrowserClose => return None,
            Expiry::OnInactivity(_) | Expiry::At(_) => {
                // If writes do not send the cookie again, it has to last until the session's deadline.
                let left = if self.profile.cookie_rolls() { limits.expires() } else { limits.deadline };
                left.since(now).min(CookieConfig::MAX_AGE_LIMIT)
            }
        };
        // Whole seconds, rounded up; zero would delete the cookie.
        Some(Duration::from_secs(max_age.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)))
    }
}

/// Whether a cookie that is kept for `max_age` expires before its session, which has the time `left`. Services estimate
/// the store's time with small differences, so one may seem to be first although both end together.
fn ends_before(max_age: Duration, left: Duration) -> bool {
    const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
    max_age.saturating_add(CLOCKS_DIFFER.min(max_age / 10)) < left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_ends_with_its_session_is_not_sent_again_because_clocks_differ() {
        let absolute = Duration::from_secs(90 * 86_400);
        assert!(!ends_before(absolute, absolute));
        assert!(!ends_before(absolute, absolute + Duration::from_millis(1)), "another service's clock is behind");
        assert!(!ends_before(absolute, absolute + Duration::from_secs(59)));
        assert!(ends_before(Duration::from_secs(86_400), absolute), "the cookie is meant to roll");
        assert!(ends_before(Duration::from_secs(10), Duration::from_secs(30)), "this one, too");
        assert!(!ends_before(Duration::from_secs(10), Duration::from_secs(11)), "a tenth may be missing");
    }
}
