//! Opens the session of a request from its headers, before anything is loaded.

use std::sync::Arc;

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    authorization::{self, Authorization},
    cookie::{Presented, SessionCookie, read_each},
    engine::{
        manager::SessionManager,
        request::{
            Method, Origin, RequestState,
            credentials::{Carrier, Credentials},
        },
        session::lazy::LazySession,
    },
    log_limit::LogLimit,
};

/// The maximum number of sessions that a sign-out with conflicting cookies looks for. Browsers hold fewer cookies.
const MOST_RIVALS: usize = 8;

impl SessionManager {
    /// Whether `session` is one that this manager, or a clone of it, has opened under the same cookie for a request that
    /// has not ended. A layer that finds such a session in its request is inside of another layer, which commits it and
    /// sets its cookie: it leaves the request as it is. For adapters. No I/O.
    #[must_use]
    pub fn has_opened(&self, session: &LazySession) -> bool {
        let other = &session.0.core;
        // Clones of a manager share its counters, whatever was changed since.
        Arc::ptr_eq(&self.0.stats, &other.stats) && self.0.cookie == other.cookie && !session.0.shared().has_ended()
    }

    /// Opens the session of a request by its method and its headers: `values` returns all values of a header by its
    /// lower-case name (`cookie`, and `authorization` if [bearer tokens](Self::with_bearer_tokens) are accepted). HEAD
    /// and OPTIONS open it [read-only](Self::open_read_only). No I/O. For adapters.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let headers = [("cookie", "theme=dark"), ("accept", "text/html")];
    /// let values = |name| headers.iter().filter(move |(sent, _)| *sent == name).map(|(_, value)| value.as_bytes());
    /// let session = manager.open_request("GET", values);
    /// # let _ = session;
    /// ```
    #[must_use]
    pub fn open_request<'a, V>(&self, method: &str, values: impl Fn(&'static str) -> V) -> LazySession
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let authorization =
            if self.0.bearer { authorization::read(values("authorization")) } else { Authorization::Other };
        let method = match method {
            "HEAD" | "OPTIONS" => Method::ReadOnly,
            "GET" => Method::Get,
            _ => Method::Other,
        };
        self.open_as(values("cookie"), authorization, method)
    }

    /// Opens the session of a request by the values of all its `Cookie` headers. No I/O.
    #[must_use]
    pub fn open<'a>(&self, cookie_headers: impl IntoIterator<Item = &'a [u8]>) -> LazySession {
        self.open_as(cookie_headers, Authorization::Other, Method::Other)
    }

    /// As [`open`](Self::open), for HEAD and OPTIONS: only this request sees the handler's edits, and they are not
    /// committed. Taking a value and committing edits fail with [`ErrorKind::ReadOnly`].
    #[must_use]
    pub fn open_read_only<'a>(&self, cookie_headers: impl IntoIterator<Item = &'a [u8]>) -> LazySession {
        self.open_as(cookie_headers, Authorization::Other, Method::ReadOnly)
    }

    fn open_as<'a>(
        &self,
        cookie_headers: impl IntoIterator<Item = &'a [u8]>,
        authorization: Authorization<'_>,
        method: Method,
    ) -> LazySession {
        let core = &self.0;
        let (mut rivals, mut header, mut has_cookies) = (Vec::new(), Vec::new(), false);
        let cookie_headers = cookie_headers.into_iter().inspect(|sent| {
            has_cookies = true;
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
            warn_of_conflict(core.cookie.name());
        }
        let (sent, header) = (presented.sent(), header.into());
        let carrier = Carrier::of(authorization, sent);
        let value = match (carrier, authorization) {
            (Carrier::Cookie, _) => presented.value(),
            (Carrier::Bearer, Authorization::Bearer(token)) => {
                Some(token).filter(|token| token.len() <= SessionCookie::MAX_VALUE_LEN)
            }
            _ => None,
        };
        let token = value.and_then(|value| core.parse_cookie(value));
        let credentials = Credentials { token, rivals, sent, carrier, has_cookies, header };
        LazySession(Arc::new(RequestState::new(Arc::clone(core), Origin::Request(credentials), method)))
    }
}

fn warn_of_conflict(cookie: &str) {
    static LIMIT: LogLimit = LogLimit::new();
    if tracing::enabled!(tracing::Level::WARN)
        && let Some(left_out) = LIMIT.line()
    {
        tracing::warn!(
            cookie,
            left_out,
            "a request carries several different session cookies; it is treated as anonymous"
        );
    }
}
