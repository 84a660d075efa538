//! The response when the session layer refuses or fails: one hook for every framework.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use tracing::{Level, enabled};

use crate::{
    error::{Error, ErrorKind},
    log_limit::LogLimit,
    percent, stderr,
};

/// A request that failed, as the hook sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The error.
    pub error: &'a Error,
    /// The request's method.
    pub method: &'a str,
    /// The request's path and query.
    pub path_and_query: &'a str,
    /// When a client may retry after a 503; see
    /// [`SessionManager::with_retry_after`](crate::SessionManager::with_retry_after).
    pub retry_after: Duration,
}

impl<'a> Failure<'a> {
    /// The default of `Retry-After` after a 503: one second.
    pub(crate) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

    /// A failure of the request `method path_and_query`.
    #[must_use]
    pub fn new(error: &'a Error, method: &'a str, path_and_query: &'a str) -> Self {
        Self { error, method, path_and_query, retry_after: Self::DEFAULT_RETRY_AFTER }
    }

    /// Writes a line to the log: an error for an internal failure (500), a warning for an outage (503) and for a full
    /// session (413), else a debug line. The reason is in the log and never in the response. The line has the path, cut
    /// at 200 bytes, and never the query.
    ///
    /// Each of the three kinds gets only a few lines in ten seconds; the next line contains the number of omitted ones
    /// (`left_out`).
    ///
    /// Without a `tracing` subscriber a debug build also writes the errors and warnings to standard error, each reason
    /// once, so that a missing layer or a value of another type is easy to find without a log.
    pub fn log(&self) {
        static BROKEN: LogLimit = LogLimit::new();
        static DOWN: LogLimit = LogLimit::new();
        static FULL: LogLimit = LogLimit::new();
        let (error, method, path) = (self.error, self.method, self.path());
        let source = error.source();
        let cause = source.map(tracing::field::display);
        let what = match error.kind().status() {
            500 => {
                if enabled!(Level::ERROR)
                    && let Some(left_out) = BROKEN.line()
                {
                    tracing::error!(%error, cause, method, path, left_out, "a request failed");
                }
                "a request failed"
            }
            503 => {
                if enabled!(Level::WARN)
                    && let Some(left_out) = DOWN.line()
                {
                    tracing::warn!(%error, cause, method, path, left_out, "a request cannot be answered now");
                }
                "a request cannot be answered now"
            }
            413 => {
                if enabled!(Level::WARN)
                    && let Some(left_out) = FULL.line()
                {
                    tracing::warn!(%error, cause, method, path, left_out, "a request was refused");
                }
                "a request was refused"
            }
            status => return tracing::debug!(%error, cause, status, method, path, "a request was refused"),
        };
        match source {
            None => stderr::tell(&format!("{what}: {error}")),
            Some(cause) => stderr::tell(&format!("{what}: {error}: {cause}")),
        }
    }

    /// The path for the log; `None` if it is unknown.
    fn path(&self) -> Option<&'a str> {
        const MOST: usize = 200;
        let path = self.path_and_query.split(['?', '#']).next().filter(|path| !path.is_empty())?;
        (0..=path.len().min(MOST)).rev().find_map(|end| path.get(..end))
    }
}

/// A response without a framework.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, lower-case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A response with `status`, a `content_type` and a `body`. It is never cached.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned()), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A redirect with status 303 to `location`, which must be a path of this site.
    #[must_use]
    pub fn see_other(location: impl Into<String>) -> Self {
        let mut reply = Self::new(303, "text/plain; charset=utf-8", "");
        reply.headers.push(("location", location.into()));
        reply
    }

    /// The default response: `application/problem+json` (RFC 9457) with the kind's status, the
    /// [sentence](Error::public_message) for clients, and `Retry-After` with 503 and 429.
    ///
    /// ```
    /// use shared_session::{Error, ErrorKind, Failure, Reply};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "redis://10.0.0.7 refused the connection");
    /// let reply = Reply::problem(&Failure::new(&error, "GET", "/"));
    /// assert_eq!(reply.status, 503);
    /// assert!(!reply.body.contains("10.0.0.7"));
    /// ```
    #[must_use]
    pub fn problem(failure: &Failure<'_>) -> Self {
        let kind = failure.error.kind();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": title(kind.status()),
            "status": kind.status(),
            "detail": failure.error.public_message(),
        });
        Self::new(kind.status(), "application/problem+json", body.to_string()).with_retry_after(failure).with_allow()
    }

    /// Adds `Retry-After` to a 503, and to a 429 whose error knows the time, unless they have one: whole seconds, at
    /// least one (RFC 9110, 10.2.3).
    fn with_retry_after(mut self, failure: &Failure<'_>) -> Self {
        let after = match self.status {
            503 => Some(failure.error.retry_after().unwrap_or(failure.retry_after)),
            429 => failure.error.retry_after(),
            _ => None,
        };
        if let Some(after) = after
            && !self.headers.iter().any(|(name, _)| *name == "retry-after")
        {
            let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
            self.headers.push(("retry-after", seconds.max(1).to_string()));
        }
        self
    }
}

impl Reply {
    /// Adds `Allow` to a 405 that has none (RFC 9110, 15.5.6): the response to HEAD and OPTIONS if the handler commits.
    fn with_allow(mut self) -> Self {
        if self.status == 405 && !self.headers.iter().any(|(name, _)| *name == "allow") {
            self.headers.push(("allow", "GET".to_owned()));
        }
        self
    }
}

/// The [problem](Reply::problem) of an error without a known request.
impl From<&Error> for Reply {
    fn from(error: &Error) -> Self {
        Self::problem(&Failure::new(error, "", ""))
    }
}

/// An error in the extensions of a response: the session layer of an adapter replaces that response with the one of the
/// manager's `on_error` hook. Extractors, handlers and inner layers report their errors this way, so that one hook
/// answers all of them, and sees the whole path of the request.
#[derive(Clone, Debug)]
pub struct Rejected {
    error: Arc<Error>,
    login_page: Option<Arc<str>>,
}

impl Rejected {
    /// Rejects the request with `error`.
    #[must_use]
    pub fn new(error: impl Into<Arc<Error>>) -> Self {
        Self { error: error.into(), login_page: None }
    }

    /// The page to which a GET or HEAD request that needs a sign-in is redirected, instead of the hook's response.
    /// Default: none.
    #[cfg(any(test, feature = "users"))]
    pub(crate) fn with_login_page(mut self, page: Option<Arc<str>>) -> Self {
        self.login_page = page;
        self
    }

    /// The error that rejects the request.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The redirect to the login page, if this request needs one.
    pub(crate) fn to_login_page(&self, method: &str, path_and_query: &str) -> Option<Reply> {
        let page = self.login_page.as_deref()?;
        let is_read = matches!(method, "GET" | "HEAD");
        (is_read && self.error.kind() == ErrorKind::Unauthenticated).then(|| {
            let joint = if page.contains('?') { '&' } else { '?' };
            Reply::see_other(format!("{page}{joint}next={}", percent::encoded(path_and_query)))
        })
    }
}

/// Turns a failure into the response; see [`SessionManager::with_on_error`](crate::SessionManager::with_on_error).
#[derive(Clone)]
pub struct OnError(Arc<dyn Fn(&Failure<'_>) -> Reply + Send + Sync>);

impl OnError {
    /// A hook made of a closure.
    pub fn new(hook: impl Fn(&Failure<'_>) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// The response to `failure`.
    pub(crate) fn reply(&self, failure: &Failure<'_>) -> Reply {
        (self.0)(failure).with_retry_after(failure).with_allow()
    }
}

/// Any closure is a hook. Its parameter needs its type: `|failure: &Failure<'_>| …`.
impl<F> From<F> for OnError
where
    F: Fn(&Failure<'_>) -> Reply + Send + Sync + 'static,
{
    fn from(hook: F) -> Self {
        Self::new(hook)
    }
}

impl Default for OnError {
    /// [`Reply::problem`].
    fn default() -> Self {
        Self::new(Reply::problem)
    }
}

impl fmt::Debug for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError(..)")
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_in_whole_seconds_and_never_none() {
        let error = Error::from(ErrorKind::Unavailable);
        let seconds = |retry_after| {
            let failure = Failure { retry_after, ..Failure::new(&error, "GET", "/") };
            let reply = OnError::default().reply(&failure);
            reply
                .headers
                .into_iter()
                .filter(|(name, _)| *name == "retry-after")
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(seconds(Failure::DEFAULT_RETRY_AFTER), ["1"]);
        assert_eq!(seconds(Duration::ZERO), ["1"]);
        assert_eq!(seconds(Duration::from_millis(1001)), ["2"]);
        assert_eq!(seconds(Duration::from_secs(30)), ["30"]);
        assert_eq!(seconds(Duration::MAX), [u64::MAX.to_string()]);
    }

    #[test]
    fn the_log_gets_the_path_without_the_query_and_not_all_of_a_long_one() {
        let error = Error::from(ErrorKind::Config);
        let path = |path_and_query: &str| Failure::new(&error, "GET", path_and_query).path().map(str::to_owned);
        assert_eq!(path("/cart/7?token=secret").as_deref(), Some("/cart/7"));
        assert_eq!(path(""), None);
        let long = format!("{}é{}", "a".repeat(199), "b".repeat(1000));
        assert_eq!(path(&long).as_deref(), Some(&long[..199]), "no character is cut");
    }

    #[test]
    fn a_405_names_the_allowed_methods() {
        let allowed = |kind: ErrorKind, own: Option<&str>| {
            let error = Error::from(kind);
            let own = own.map(|own| ("allow", own.to_owned()));
            let hook = OnError::new(move |failure| {
                let mut reply = Reply::new(failure.error.kind().status(), "text/plain", "");
                reply.headers.push(("x-other", String::new()));
                reply.headers.extend(own.clone());
                reply
            });
            let reply = hook.reply(&Failure::new(&error, "HEAD", "/"));
            let of_problem = Reply::from(&error).headers.into_iter().filter(|(name, _)| *name == "allow").count();
            let methods = reply.headers.into_iter().filter(|(name, _)| *name == "allow");
            (methods.map(|(_, methods)| methods).collect::<Vec<_>>(), of_problem)
        };
        assert_eq!(allowed(ErrorKind::ReadOnly, None), (vec!["GET".to_owned()], 1));
        assert_eq!(allowed(ErrorKind::ReadOnly, Some("GET, PUT")), (vec!["GET, PUT".to_owned()], 1));
        assert_eq!(allowed(ErrorKind::Stale, None), (vec![], 0));
    }

    #[test]
    fn a_problem_has_the_title_of_its_status() {
        for (kind, status, title) in [
            (ErrorKind::MalformedForm, 400, "Bad Request"),
            (ErrorKind::Unauthenticated, 401, "Unauthorized"),
            (ErrorKind::Forbidden, 403, "Forbidden"),
            (ErrorKind::ReadOnly, 405, "Method Not Allowed"),
            (ErrorKind::Stale, 409, "Conflict"),
            (ErrorKind::TooLarge, 413, "Content Too Large"),
            (ErrorKind::NotAForm, 415, "Unsupported Media Type"),
            (ErrorKind::TooManyAttempts, 429, "Too Many Requests"),
            (ErrorKind::Unavailable, 503, "Service Unavailable"),
            (ErrorKind::Config, 500, "Internal Server Error"),
        ] {
            let reply = Reply::from(&Error::from(kind));
            assert_eq!(reply.status, status);
            assert!(reply.body.contains(title), "{reply:?}");
        }
    }

    #[test]
    fn a_hook_may_ask_for_another_pause() {
        let error = Error::from(ErrorKind::Unavailable);
        let hook = OnError::new(|failure| {
            let mut reply = Reply::new(failure.error.kind().status(), "text/plain", "");
            reply.headers.push(("retry-after", "60".to_owned()));
            reply
        });
        let reply = hook.reply(&Failure::new(&error, "GET", "/"));
        let pauses: Vec<_> = reply.headers.iter().filter(|(name, _)| *name == "retry-after").collect();
        assert_eq!(pauses, [&("retry-after", "60".to_owned())]);
    }

    #[test]
    fn only_a_page_that_needs_a_sign_in_leads_to_the_login_page_and_back() {
        let rejected = |kind| Rejected::new(Error::from(kind)).with_login_page(Some("/login?lang=de".into()));
        let to = |rejected: Rejected, method| rejected.to_login_page(method, "/a/b?c=d&e=//f#g");
        let reply = to(rejected(ErrorKind::Unauthenticated), "GET").unwrap();
        let location = ("location", "/login?lang=de&next=/a/b%3Fc%3Dd%26e%3D//f%23g".to_owned());
        assert_eq!(reply.status, 303);
        assert!(reply.headers.contains(&location), "{reply:?}");
        assert!(to(rejected(ErrorKind::Unauthenticated), "HEAD").is_some());
        assert_eq!(to(rejected(ErrorKind::Unauthenticated), "POST"), None, "the posted data would be lost");
        assert_eq!(to(rejected(ErrorKind::Forbidden), "GET"), None);
        assert_eq!(to(Rejected::new(Error::from(ErrorKind::Unauthenticated)), "GET"), None);
    }
}
