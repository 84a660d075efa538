//! The `Set-Cookie` headers of a response: of the cookie, and of its deletions in other scopes.

use std::{fmt, time::Duration};

#[cfg(doc)]
use super::CookieConfig;
use super::{RequestUrl, Sent, SessionCookie, scope::Scope, transport};

impl SessionCookie {
    /// [`set`](Self::set) for `max_age`, in response to a request that carried the cookie as often as `sent`.
    pub(crate) fn setting(&self, value: &str, max_age: Option<Duration>, sent: Sent) -> SetCookie {
        let own = self.lasting(value, max_age);
        SetCookie { own, cookie: self.clone(), sent, deletes: false }
    }

    /// [`delete`](Self::delete), in response to a request that carried the cookie as often as `sent`.
    pub(crate) fn deleting(&self, sent: Sent) -> SetCookie {
        SetCookie { own: self.delete(), cookie: self.clone(), sent, deletes: true }
    }
}

/// A cookie that a response sets or deletes. `Debug` does not show it.
#[derive(Clone)]
#[must_use = "its headers must be put on the response"]
pub(crate) struct SetCookie {
    own: String,
    cookie: SessionCookie,
    sent: Sent,
    deletes: bool,
}

impl SetCookie {
    /// The `Set-Cookie` header value for the configured scope alone. Send all [`headers`](Self::headers): a cookie in
    /// another scope would conflict with this one.
    #[must_use]
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// The values of all `Set-Cookie` headers to append, in this order: deletions of the cookie in the other scopes in
    /// which the browser may hold it, then [`own`](Self::own).
    ///
    /// A request without such a cookie gets no deletions. A request with one gets few: for the host's own cookie and
    /// the parent domains, for the configured path, and for the [former](CookieConfig::with_former_domain) scopes. A
    /// request with several gets one for each domain and path that matches `url`, at most 32. The configured scope is
    /// never among them. Behind a proxy that does not forward the browser's `Host`, only configured domains are
    /// included.
    ///
    /// Cost: one string for each header.
    #[must_use]
    pub(crate) fn headers(&self, url: &RequestUrl<'_>) -> Vec<String> {
        self.elsewhere(url).into_iter().chain([self.own.clone()]).collect()
    }

    /// As [`headers`](Self::headers).
    #[cfg(feature = "tower")]
    pub(crate) fn into_headers(self, url: &RequestUrl<'_>) -> impl Iterator<Item = String> {
        self.elsewhere(url).into_iter().chain([self.own])
    }

    /// The deletions in other scopes. Browsers process them in order: even if a scope equals the configured one under
    /// another name, the cookie is set.
    fn elsewhere(&self, url: &RequestUrl<'_>) -> Vec<String> {
        if self.cookie.config().secure && url.is_plain() && !self.deletes {
            transport::warn_of_plain_http();
        }
        let others = Scope::others(self.cookie.config(), self.sent, url);
        others.iter().map(|scope| self.cookie.expired(scope).to_string()).collect()
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetCookie").field("name", &self.cookie.name()).finish_non_exhaustive()
    }
}
