//! Opens the session of a request from its headers, before anything is loaded.

#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    authorization::{self, Authorization},
    cookie::{Presented, SessionCookie, read_each},
    engine::{
        manager::SessionManager,
        request::{
            Method, Origin,
            credentials::{Carrier, Credentials},
        },
        session::lazy::LazySession,
    },
    log_limit::LogLimit,
};

/// The maximum number of sessions that a sign-out with conflicting cookies looks for. Browsers hold fewer cookies.
const MOST_RIVALS: usize = 8;

impl SessionManager {
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
            "GET" => Method::Safe,
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

    /// A new handle to the session with which the request of `session` ends: for work that outlives the request, such
    /// as WebSockets, server-sent events, and jobs. No I/O. Commit its edits with
    /// [`Session::commit`](crate::Session::commit).
    ///
    /// Its [`load`](LazySession::load) waits for the end of the request, including the commit, and then loads the
    /// visitor's current session: created, rotated, or signed in. In the body of a response, and after it, `load` does
    /// not have to wait.
    ///
    /// - **The handler itself** cannot wait for its own response. There, and in all futures that are polled with it,
    ///   `load` returns the state that the request has committed so far, or [`ErrorKind::Closed`] if it has no session
    ///   yet. The handler must not wait for a task that loads the handle either: that task gives up after 30 seconds,
    ///   with [`ErrorKind::Unavailable`], and may try again.
    /// - **A request that fails** (5xx) drops its edits; the handle follows the session as it was. If there was none,
    ///   `load` returns the error. The same goes for a request that is dropped; if its own commit had made a cookie
    ///   that was not sent, `load` returns [`ErrorKind::Closed`].
    /// - **A request that signs out**: `load` returns [`ErrorKind::Gone`].
    /// - **A visitor without a session** is anonymous, as usual.
    /// - **HEAD and OPTIONS**: the handle is read-only, like the request.
    ///
    /// No response can set a cookie for this handle. So a commit that would need one (to start a session, sign in, or
    /// renew the cookie) fails with [`ErrorKind::Closed`] and writes nothing. The visitor can always read acknowledged
    /// edits.
    ///
    /// A handle loads its session once. To read it again later, reopen this handle: all handles that are made from one
    /// request follow that request. To check whether the user is still allowed, call
    /// [`Session::status`](crate::Session::status); it is the only call that still works after the cookie was
    /// replaced.
    ///
    /// ```
    /// # use shared_session::{Close, Ending, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let request = manager.open(std::iter::empty());
    /// request.load().await?.insert("before", &1)?;
    /// let events = manager.reopen(&request);
    /// let body = tokio::spawn(async move { events.load().await?.get::<u32>("before") });
    ///
    /// if let Close::Commit(commit) = manager.close(&request, Ending::Completed) {
    ///     let _ = manager.commit(commit).await;
    /// }
    /// assert_eq!(body.await.unwrap()?, Some(1));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn reopen(&self, session: &LazySession) -> LazySession {
        // The handle may outlive the time for which a user cache may answer, so it never uses that cache.
        let method = if session.0.read_only { Method::ReadOnly } else { Method::Other };
        self.lazy_session(Origin::Reopened(session.0.followed()), method)
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
        self.lazy_session(Origin::Request(Credentials { token, rivals, sent, carrier, has_cookies, header }), method)
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
