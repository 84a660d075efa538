//! Opening the session of a request: what its headers say, before anything is loaded.

use super::{credentials::Cookies, lazy_session::LazySession, manager::SessionManager, request::Origin};
#[cfg(doc)]
use crate::ErrorKind;
use crate::{
    LogLimit,
    cookie::{Presented, read_each},
};

/// How many sessions a sign-out with conflicting cookies looks for, at most. Browsers hold fewer.
const MOST_RIVALS: usize = 8;

impl SessionManager {
    /// Opens the session of a request by the values of all its `Cookie` headers. No I/O.
    pub fn open<'a>(&self, cookie_headers: impl IntoIterator<Item = &'a [u8]>) -> LazySession {
        self.open_as(cookie_headers, false)
    }

    /// As [`open`](Self::open), for HEAD and OPTIONS: whatever the handler edits is seen by this request only and is not
    /// committed. To take a value out, and to commit edits, is [`ErrorKind::ReadOnly`].
    pub fn open_read_only<'a>(&self, cookie_headers: impl IntoIterator<Item = &'a [u8]>) -> LazySession {
        self.open_as(cookie_headers, true)
    }

    fn open_as<'a>(&self, cookie_headers: impl IntoIterator<Item = &'a [u8]>, read_only: bool) -> LazySession {
        let core = &self.0;
        let (mut rivals, mut header) = (Vec::new(), Vec::new());
        let cookie_headers = cookie_headers.into_iter().inspect(|sent| {
            if core.forms.is_some() {
                header.extend_from_slice(sent);
                header.push(b';');
            }
        });
        let presented = read_each(cookie_headers, core.cookie.name(), |value| {
            let token = core.parse_cookie(value).filter(|token| !rivals.contains(token));
            rivals.extend(token.filter(|_| rivals.len() < MOST_RIVALS));
        });
        if presented == Presented::Conflicting {
            core.stats.conflicting_cookies.add_one();
            warn_of_conflict();
        }
        let token = presented.value().and_then(|value| core.parse_cookie(value));
        self.handle_for(
            Origin::Request(Cookies { token, rivals, sent: presented.sent(), header: header.into() }),
            read_only,
        )
    }
}

fn warn_of_conflict() {
    static LIMIT: LogLimit = LogLimit::new();
    if tracing::enabled!(tracing::Level::WARN)
        && let Some(left_out) = LIMIT.line()
    {
        tracing::warn!(left_out, "a request carries several different session cookies; it is treated as anonymous");
    }
}
