//! Answers that are errors: an HTML page each, which says nothing internal.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
};
use askama::Template;
use shared_session::{Error, ErrorKind, OnError, Reply};
use shared_session_actix::Rejection;
use shared_session_examples::{
    pages::{ErrorPage, Layout},
    text::login_url,
};

const HTML: &str = "text/html; charset=utf-8";

/// Why a handler does not answer with what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The session or the users; answered by [`hook`].
    Rejected(Rejection),
    /// Anything else; [`with_page`] draws the page. The sentence is for the visitor.
    Page(StatusCode, &'static str),
}

impl Failure {
    /// 404; does not tell what does not exist from what is somebody else's.
    pub(crate) fn not_found() -> Self {
        Self::Page(StatusCode::NOT_FOUND, "There is nothing here, or it is no longer there.")
    }

    /// 403, with the reason.
    pub(crate) fn forbidden(why: &'static str) -> Self {
        Self::Page(StatusCode::FORBIDDEN, why)
    }

    /// 400
    pub(crate) fn bad_request() -> Self {
        Self::Page(StatusCode::BAD_REQUEST, "A value in the form or in the address is not possible.")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Self::Rejected(kind.into())
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page cannot be rendered");
        Self::Page(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown.")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Page(status, _) => status.fmt(f),
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status_code(),
            Self::Page(status, _) => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Rejected(rejection) => rejection.error_response(),
            Self::Page(status, message) => {
                let mut response = HttpResponse::new(*status);
                response.extensions_mut().insert(Message(message));
                response
            }
        }
    }
}

/// What to tell the visitor, in the extensions of a response without a body.
struct Message(&'static str);

/// How failures of sessions are answered: who must sign in first is sent to the login page and back, everybody else
/// gets a page.
pub(crate) fn hook(api_origin: String) -> OnError {
    OnError::new(move |failure| {
        let kind = failure.error.kind();
        if kind == ErrorKind::Unauthenticated && matches!(failure.method, "GET" | "HEAD") {
            return Reply::see_other(login_url(failure.path_and_query));
        }
        Reply::new(kind.status(), HTML, page(&api_origin, kind.status(), kind.public_message()))
    })
}

/// Gives a response that is an error without a body its page: those of [`Failure::Page`], and Actix Web's own.
pub(crate) fn with_page(response: ServiceResponse, api_origin: &str) -> ServiceResponse {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let message = response.response().extensions().get().map_or_else(|| sentence(status), |Message(message)| message);
    let html = page(api_origin, status.as_u16(), message);
    let mut response = response.map_body(|_, _| BoxBody::new(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn sentence(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "There is no such page.",
        405 => "This address does not do that.",
        400..500 => "The request cannot be answered.",
        _ => "The service failed to answer.",
    }
}

/// The page is the same for everybody: it does not claim to know who asks.
fn page(api_origin: &str, status: u16, message: &str) -> String {
    let layout = Layout { api_origin: api_origin.to_owned(), ..Layout::default() };
    ErrorPage::new(layout, status, message).render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page cannot be rendered");
        message.to_owned()
    })
}
