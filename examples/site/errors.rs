//! Answers that are errors: an HTML page each, which says nothing internal. [`with_page`] draws them all.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER},
    },
};
use askama::Template;
use shared_session::{
    Error, ErrorKind,
    csrf::{Refusal, TokenRefusal},
};
use shared_session_actix::Rejection;
use shared_session_examples::{
    pages::{ErrorPage, Layout},
    text::login_url,
};

use crate::edge::Place;

const HTML: &str = "text/html; charset=utf-8";

/// Why a handler does not answer with what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The session or the users.
    Rejected(Rejection),
    /// Anything else. The sentence is for the visitor.
    Page(StatusCode, &'static str),
    /// 409: another change of the password came first.
    Superseded,
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
        Self::Page(StatusCode::BAD_REQUEST, "The form or the address holds something that cannot be read.")
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
            Self::Superseded => f.write_str("the password was changed meanwhile"),
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status_code(),
            Self::Page(status, _) => *status,
            Self::Superseded => StatusCode::CONFLICT,
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
            Self::Superseded => {
                let mut response = HttpResponse::new(StatusCode::CONFLICT);
                response.extensions_mut().insert(Superseded);
                response
            }
        }
    }
}

/// [`Failure::Superseded`], in the extensions of a response without a body.
struct Superseded;

/// What to tell the visitor, in the extensions of a response without a body.
struct Message(&'static str);

/// Gives a response that is an error its page: a failure of the session layer, those of [`Failure::Page`], and Actix
/// Web's own. Who must sign in first is sent to the login page and back.
pub(crate) fn with_page(response: ServiceResponse, place: &Place) -> ServiceResponse {
    let status = response.status();
    let error = response.response().extensions().get::<Error>().cloned();
    let page = match &error {
        Some(error) if error.kind() == ErrorKind::Unauthenticated && is_read(response.request()) => {
            return to_login(response, place);
        }
        Some(error) => page_of(error, is_read(response.request()), place),
        None if !(status.is_client_error() || status.is_server_error()) => return response,
        None if response.headers().contains_key(CONTENT_TYPE) => return response,
        None if response.response().extensions().contains::<Superseded>() => superseded(place),
        None => {
            let said = response.response().extensions().get().map(|Message(message)| *message);
            ErrorPage::new(layout(place), status.as_u16(), said.unwrap_or_else(|| sentence(status)))
        }
    };
    let html = page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page cannot be rendered");
        page.message
    });
    let mut response = response.map_body(|_, _| BoxBody::new(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn is_read(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn to_login(response: ServiceResponse, place: &Place) -> ServiceResponse {
    let path = response.request().uri().path_and_query().map_or("/", |path| path.as_str());
    let location = login_url(&place.prefix, path);
    let mut response = response.map_body(|_, _| BoxBody::new(""));
    *response.response_mut().status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().remove(CONTENT_TYPE);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// What a visitor is told of a failure of the session layer: what happened, and what helps.
fn page_of(error: &Error, is_read: bool, place: &Place) -> ErrorPage {
    const UNCHANGED: &str = "Nothing was changed. Open the page here and try again.";
    let kind = error.kind();
    let page = |message: &'static str| ErrorPage::new(layout(place), kind.status(), message);
    match (kind, Refusal::of(error)) {
        (ErrorKind::CrossSite, Some(Refusal::CrossSite)) => {
            page("A page of another site asked for this.").with_advice("Not from here", UNCHANGED, false)
        }
        (ErrorKind::CrossSite, Some(Refusal::ForeignOrigin | Refusal::MissingOrigin)) => page(
            "This service takes no forms from pages with the address that you used.",
        )
        .with_advice(
            "Not from this address",
            "Nothing was changed. Open the service under its usual address. If that is the one you used, tell those \
                 who run the service: its address is missing in the settings.",
            false,
        ),
        (ErrorKind::CrossSite, _) => page("The browser does not say clearly which page asked for this.").with_advice(
            "Not from here",
            UNCHANGED,
            false,
        ),
        (ErrorKind::StaleForm, _) => page(stale(error)).with_advice(
            "The page was too old",
            "Nothing was changed. You may be signed out by now: sign in, open the page again and try once more.",
            true,
        ),
        (ErrorKind::Stale, _) => page("Your session was renewed while the request ran, for example by signing in.")
            .with_advice(
                "Your session was renewed",
                "Nothing was changed. Go back, reload the page and try again.",
                false,
            ),
        (ErrorKind::Gone, _) => page("Your session ended while the request ran.").with_advice(
            "Your session has ended",
            "Nothing was changed. Sign in and try again.",
            true,
        ),
        (ErrorKind::Unauthenticated, _) => page(error.public_message()).with_advice(
            "Please sign in",
            "Nothing was changed. Sign in and try again.",
            true,
        ),
        (ErrorKind::TooLarge, _) => page("Your session holds as much as it may.").with_advice(
            "Your session is full",
            "Nothing was stored. Remove some preferences, or sign out to start with an empty session.",
            false,
        ),
        // Part of it may have happened: a new password is set before the sessions that it ends are deleted.
        (ErrorKind::Unavailable, _) if !is_read => page("The service is temporarily unavailable.").with_advice(
            "Temporarily unavailable",
            "Wait a moment, look whether what you asked for has happened, and try again if it has not.",
            false,
        ),
        _ => page(error.public_message()),
    }
}

fn superseded(place: &Place) -> ErrorPage {
    ErrorPage::new(layout(place), 409, "Your password was changed by another request while this one ran.").with_advice(
        "Your password was changed already",
        "This change was not made. Sign in with the password that was set. If you did not set it, ask those who run the \
         service for help.",
        true,
    )
}

/// Why a form was not taken, for the page that offers it again.
pub(crate) fn stale(error: &Error) -> &'static str {
    match TokenRefusal::of(error) {
        Some(TokenRefusal::NoCookie) => {
            "Your browser did not send the cookie that belongs to this page. Please try again. If you see this once more, \
             allow cookies for this site."
        }
        _ => "The page was too old to be used. Please try again.",
    }
}

/// The same for everybody: it does not claim to know who asks.
fn layout(place: &Place) -> Layout {
    Layout { api_origin: place.api_origin.clone(), prefix: place.prefix.clone(), ..Layout::default() }
}

fn sentence(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "There is no such page.",
        405 => "This address does not do that.",
        400..500 => "The request cannot be answered.",
        _ => "The service failed to answer.",
    }
}
