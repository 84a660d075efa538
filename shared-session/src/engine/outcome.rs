//! How a request ends, and what that means for its response.

use std::{fmt, time::Duration};

use super::{core::Core, form_state::FormPart};
use crate::{
    Error, ErrorKind,
    cookie::{RequestUrl, Sent, SetCookie},
    record::id::Token,
};

/// How a request ended, for [`SessionManager::close`](crate::SessionManager::close).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The handler answered: edits are committed.
    Completed,
    /// The handler failed (5xx): edits are dropped.
    Failed,
}

impl Ending {
    /// The ending that a response with `status` means.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        if status >= 500 { Self::Failed } else { Self::Completed }
    }

    /// What those are told who reopened the session of a request that ends so without one.
    pub(super) fn without_session(self) -> Result<(), Error> {
        match self {
            Self::Completed => Ok(()),
            Self::Failed => Err(Error::new(ErrorKind::Closed, "the request failed before its visitor had a session")),
        }
    }
}

/// What becomes of the browser's cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum CookieAction {
    #[default]
    Keep,
    /// To be kept for so long, or as long as the browser runs.
    Set(Token, Option<Duration>),
    /// The one that the browser has, for another time.
    Extend(Token, Option<Duration>),
    Remove,
}

impl CookieAction {
    /// This action, followed by `later`.
    pub(crate) fn then(self, later: Self) -> Self {
        match (self, later) {
            (action, Self::Keep) => action,
            (Self::Set(..), Self::Extend(token, max_age)) => Self::Set(token, max_age),
            (_, later) => later,
        }
    }
}

/// What the session means for the response.
#[derive(Default)]
#[must_use = "the headers must be put on the response"]
pub struct Outcome {
    error: Option<Error>,
    pub(super) cookie: CookieAction,
    set_cookie: Option<SetCookie>,
    /// The cookie of form tokens.
    form_cookie: Option<SetCookie>,
    read: bool,
    private: bool,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets_cookie = self.set_cookie.is_some();
        f.debug_struct("Outcome").field("error", &self.error).field("sets_cookie", &sets_cookie).finish_non_exhaustive()
    }
}

impl Outcome {
    pub(super) fn read(cookie: CookieAction, private: bool, sent: Sent, core: &Core) -> Self {
        let setting = |token, max_age, sent| core.cookie.setting(&core.cookie_value(token), max_age, sent);
        let set_cookie = match &cookie {
            CookieAction::Keep => None,
            CookieAction::Set(token, max_age) => Some(setting(token, *max_age, sent)),
            // A twin would have the same value: time enough to expire it when it is sent.
            CookieAction::Extend(token, max_age) if sent == Sent::Once => Some(setting(token, *max_age, Sent::Nothing)),
            CookieAction::Extend(token, max_age) => Some(setting(token, *max_age, sent)),
            CookieAction::Remove => Some(core.cookie.deleting(sent)),
        };
        Self { error: None, cookie, set_cookie, form_cookie: None, read: true, private }
    }

    /// Whether the response stays as it is.
    #[cfg(feature = "tower")]
    pub(crate) fn is_silent(&self) -> bool {
        !self.read && !self.private && self.set_cookie.is_none() && self.form_cookie.is_none()
    }

    /// This, of a request with form tokens.
    pub(super) fn with_form(mut self, form: FormPart) -> Self {
        self.form_cookie = form.set_cookie;
        self.read |= form.is_page;
        self.private |= form.is_page;
        self
    }

    pub(super) fn failed(error: Error, cookie: CookieAction, sent: Sent, core: &Core) -> Self {
        core.stats.count_failure(error.kind());
        // Somebody else has replaced or ended what an earlier commit of this request made.
        let lost = matches!(error.kind(), ErrorKind::Stale | ErrorKind::Gone);
        let cookie = if lost && matches!(cookie, CookieAction::Set(..)) { CookieAction::Keep } else { cookie };
        Self { error: Some(error), ..Self::read(cookie, false, sent, core) }
    }

    /// Why the handler's response must be dropped and this error answered instead.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The values of the `Set-Cookie` headers to append, in this order, in answer to a request to `url`; empty for most
    /// requests. Whatever else the browser may hold under a cookie's name is expired first. The cookie of form tokens
    /// follows that of the session.
    #[must_use]
    pub fn set_cookies(&self, url: &RequestUrl<'_>) -> Vec<String> {
        self.set_cookie.iter().chain(&self.form_cookie).flat_map(|set| set.headers(url)).collect()
    }

    /// That of [`set_cookies`](Self::set_cookies) which sets or deletes the session cookie in its configured scope.
    #[must_use]
    pub fn set_cookie(&self) -> Option<&str> {
        self.set_cookie.as_ref().map(SetCookie::own)
    }

    /// The value to append to `Vary`, given those that the response has: a response that depends on the session depends
    /// on `Cookie` (RFC 9110, 12.5.5).
    #[must_use]
    pub fn vary<'a>(&self, present: impl IntoIterator<Item = &'a [u8]>) -> Option<&'static str> {
        let covers = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"cookie");
        let mut names = present.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        (self.read && !names.any(covers)).then_some("Cookie")
    }

    /// The value that `Cache-Control` must be set to, given whether the handler set one: `no-store` with a new cookie
    /// (RFC 9111, 7.3), else `private` for signed-in visitors and for pages with a form token, unless the handler decided.
    #[must_use]
    pub fn cache_control(&self, handler_set_one: bool) -> Option<&'static str> {
        if self.set_cookie.is_some() || self.form_cookie.is_some() {
            Some("no-store")
        } else if self.private && !handler_set_one {
            Some("private")
        } else {
            None
        }
    }
}
