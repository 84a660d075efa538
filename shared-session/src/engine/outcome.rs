//! The end of a request, and its effects on the response.

pub(crate) mod form_state;

use std::{fmt, time::Duration};

use crate::{
    cookie::{RequestUrl, Sent, SetCookie},
    engine::{core::Core, outcome::form_state::FormPart},
    error::{Error, ErrorKind},
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
    /// The ending of a request whose response has `status`.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        if status >= 500 { Self::Failed } else { Self::Completed }
    }

    /// The result for reopened sessions if a request ends like this, without a session.
    pub(crate) fn without_session(self) -> Result<(), Error> {
        match self {
            Self::Completed => Ok(()),
            Self::Failed => Err(Error::new(ErrorKind::Closed, "the request failed before its visitor had a session")),
        }
    }
}

/// The change to the browser's cookie.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum CookieAction {
    #[default]
    Keep,
    /// A new cookie, kept for this time, or as long as the browser runs.
    Set(Token, Option<Duration>),
    /// The cookie that the browser has, with another lifetime.
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

/// How a request and its response carry the session.
#[derive(Clone, Copy)]
pub(crate) struct Carried {
    /// How often the cookie was sent.
    pub(crate) sent: Sent,
    /// The response carries a bearer token and sets no cookie.
    pub(crate) as_bearer: bool,
}

/// The headers that the session adds to the response, or the error to answer.
#[derive(Default)]
#[must_use = "the headers must be put on the response"]
pub struct Outcome {
    error: Option<Error>,
    pub(crate) cookie: CookieAction,
    set_cookie: Option<SetCookie>,
    bearer_token: Option<String>,
    /// The request may carry a bearer token, so the response also depends on the `Authorization` header.
    takes_bearer: bool,
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
    pub(crate) fn succeeded(cookie: CookieAction, private: bool, carried: Carried, core: &Core) -> Self {
        let Carried { sent, as_bearer } = carried;
        let setting = |token, max_age, sent| core.cookie.setting(&core.cookie_value(token), max_age, sent);
        let set_cookie = match &cookie {
            _ if as_bearer => None,
            CookieAction::Keep => None,
            CookieAction::Set(token, max_age) => Some(setting(token, *max_age, sent)),
            // A second cookie of the same name would have the same value; it can be expired once the browser sends it.
            CookieAction::Extend(token, max_age) if sent == Sent::Once => Some(setting(token, *max_age, Sent::Nothing)),
            CookieAction::Extend(token, max_age) => Some(setting(token, *max_age, sent)),
            CookieAction::Remove => Some(core.cookie.deleting(sent)),
        };
        let bearer_token = match &cookie {
            CookieAction::Set(token, _) if as_bearer => Some(core.cookie_value(token)),
            _ => None,
        };
        let (error, form_cookie, read, takes_bearer) = (None, None, true, core.bearer);
        Self { error, cookie, set_cookie, bearer_token, takes_bearer, form_cookie, read, private }
    }

    /// Whether the response stays unchanged.
    #[cfg(feature = "tower")]
    pub(crate) fn is_silent(&self) -> bool {
        !self.read && !self.private && !self.sends_secret()
    }

    /// Adds the effect of form tokens.
    pub(crate) fn with_form(mut self, form: FormPart) -> Self {
        self.form_cookie = form.set_cookie;
        self.read |= form.is_page;
        self.private |= form.is_page;
        self
    }

    /// Whether the response gives the client the secret of a session or of a form.
    fn sends_secret(&self) -> bool {
        self.set_cookie.is_some() || self.bearer_token.is_some() || self.form_cookie.is_some()
    }

    pub(crate) fn failed(error: Error, cookie: CookieAction, carried: Carried, core: &Core) -> Self {
        core.stats.count_failure(error.kind());
        // Another request has replaced or ended the session that an earlier commit of this request made.
        let lost = matches!(error.kind(), ErrorKind::Stale | ErrorKind::Gone);
        let cookie = if lost && matches!(cookie, CookieAction::Set(..)) { CookieAction::Keep } else { cookie };
        Self { error: Some(error), ..Self::succeeded(cookie, false, carried, core) }
    }

    /// The error to answer instead of the handler's response, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The values of the `Set-Cookie` headers to append, in this order, in answer to a request to `url`; empty for most
    /// requests. Other cookies of the same name that the browser may hold are expired first. The cookie of form tokens
    /// follows that of the session.
    #[must_use]
    pub fn set_cookies(&self, url: &RequestUrl<'_>) -> Vec<String> {
        self.set_cookie.iter().chain(&self.form_cookie).flat_map(|set| set.headers(url)).collect()
    }

    /// Hands each of [`set_cookies`](Self::set_cookies) to `append`.
    #[cfg(feature = "tower")]
    pub(crate) fn into_set_cookies<'a>(self, url: impl FnOnce() -> RequestUrl<'a>, append: impl FnMut(String)) {
        if self.set_cookie.is_some() || self.form_cookie.is_some() {
            let url = url();
            self.set_cookie.into_iter().chain(self.form_cookie).flat_map(|set| set.into_headers(&url)).for_each(append);
        }
    }

    /// The value among [`set_cookies`](Self::set_cookies) that sets or deletes the session cookie in its configured
    /// scope.
    #[must_use]
    pub fn set_cookie(&self) -> Option<&str> {
        self.set_cookie.as_ref().map(SetCookie::own)
    }

    /// The name of the header that carries a client's new bearer token.
    pub const BEARER_HEADER: &str = "session-token";

    /// The value of the header [`BEARER_HEADER`](Self::BEARER_HEADER) to set: the token that a client sends from now on
    /// instead of the one that it has; see [`with_bearer_tokens`](crate::SessionManager::with_bearer_tokens). Mark it
    /// as sensitive.
    #[must_use]
    pub fn bearer_token(&self) -> Option<&str> {
        self.bearer_token.as_deref()
    }

    /// The value to append to `Vary`, given the values that the response has: a response that depends on the session
    /// depends on `Cookie` (RFC 9110, 12.5.5), and also on `Authorization` if bearer tokens are accepted.
    #[must_use]
    pub fn vary<'a>(&self, present: impl IntoIterator<Item = &'a [u8]>) -> Option<&'static str> {
        let (mut cookie, mut authorization) = (!self.read, !(self.read && self.takes_bearer));
        for name in present.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
            cookie |= name == b"*" || name.eq_ignore_ascii_case(b"cookie");
            authorization |= name == b"*" || name.eq_ignore_ascii_case(b"authorization");
        }
        match (cookie, authorization) {
            (false, false) => Some("Cookie, Authorization"),
            (false, true) => Some("Cookie"),
            (true, false) => Some("Authorization"),
            (true, true) => None,
        }
    }

    /// The value that `Cache-Control` must be set to, given whether the handler set one: `no-store` with a new cookie
    /// or bearer token (RFC 9111, 7.3; RFC 6750, 5.3), else `private` for signed-in visitors and for pages with a form
    /// token, unless the handler set one.
    #[must_use]
    pub fn cache_control(&self, handler_set_one: bool) -> Option<&'static str> {
        if self.sends_secret() {
            Some("no-store")
        } else if self.private && !handler_set_one {
            Some("private")
        } else {
            None
        }
    }
}
