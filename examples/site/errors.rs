//! Error responses: an HTML page each, without internal details. [`with_page`] renders them all.

use std::fmt;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER},
    },
};
use askama::Template;
use shared_session::{
    Error, ErrorKind,
    csrf::{OriginRefusal, TokenRefusal},
    users::UnauthenticatedReason,
};
use shared_session_actix::Rejection;
use shared_session_examples::{
    links::{confirm_url, login_url, same_page},
    pages::{ErrorPage, Layout, RefusedUser},
    translations::Text,
};

use crate::{place::Place, viewer::Viewer};

const HTML: &str = "text/html; charset=utf-8";

/// The reason why a handler failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the session or the users.
    Rejected(Rejection),
    /// Any other error. The text is for the visitor.
    Page(StatusCode, Text),
    /// 409: another change of the password came first.
    Superseded,
    /// The sign-in is too old: the visitor must enter the password again, and then comes to this page of the site.
    TooLongAgo { page: String },
}

impl Failure {
    /// 404, the same whether the object does not exist or belongs to another user.
    pub(crate) fn not_found() -> Self {
        Self::Page(StatusCode::NOT_FOUND, Text::new("error-nothing-here"))
    }

    /// 403, with the reason.
    pub(crate) fn forbidden(why: Text) -> Self {
        Self::Page(StatusCode::FORBIDDEN, why)
    }

    /// 400
    pub(crate) fn bad_request() -> Self {
        Self::Page(StatusCode::BAD_REQUEST, Text::new("error-bad-request"))
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
        Self::Page(StatusCode::INTERNAL_SERVER_ERROR, Text::new("error-not-shown"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Page(status, _) => status.fmt(f),
            Self::Superseded => f.write_str("the password was changed meanwhile"),
            Self::TooLongAgo { .. } => f.write_str("the sign-in is too long ago"),
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => rejection.status_code(),
            Self::Page(status, _) => *status,
            Self::Superseded => StatusCode::CONFLICT,
            Self::TooLongAgo { .. } => StatusCode::SEE_OTHER,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Rejected(rejection) => rejection.error_response(),
            Self::Page(status, message) => {
                let mut response = HttpResponse::new(*status);
                response.extensions_mut().insert(Message(message.clone()));
                response
            }
            Self::Superseded => {
                let mut response = HttpResponse::new(StatusCode::CONFLICT);
                response.extensions_mut().insert(Superseded);
                response
            }
            Self::TooLongAgo { page } => {
                let mut response = HttpResponse::new(StatusCode::SEE_OTHER);
                response.extensions_mut().insert(TooLongAgo(page.clone()));
                response
            }
        }
    }
}

/// [`Failure::Superseded`], in the extensions of a response without a body.
struct Superseded;

/// [`Failure::TooLongAgo`], in the extensions of a response without a body.
struct TooLongAgo(String);

/// The text for the visitor, in the extensions of a response without a body.
struct Message(Text);

/// Renders the page of an error response: a failure of the session layer, a [`Failure::Page`], or Actix Web's own.
/// Redirects visitors who must sign in or confirm the password first to the page for it, which leads back.
pub(crate) fn with_page(response: ServiceResponse, place: &Place) -> ServiceResponse {
    let asked = response.response().extensions().get().map(|TooLongAgo(page)| confirm_url(&place.prefix, page));
    if let Some(location) = asked {
        return see_other(response, &location);
    }
    let status = response.status();
    let error = response.response().extensions().get::<Error>().cloned();
    let page = match &error {
        Some(error) if error.kind() == ErrorKind::Unauthenticated && is_read(response.request()) => {
            let path = response.request().uri().path_and_query().map_or("/", |path| path.as_str());
            let location = match UnauthenticatedReason::of(error) {
                Some(UnauthenticatedReason::TooLongAgo) => confirm_url(&place.prefix, path),
                _ => login_url(&place.prefix, path),
            };
            return see_other(response, &location);
        }
        Some(error) => page_of(error, is_read(response.request()), place),
        None if !(status.is_client_error() || status.is_server_error()) => return response,
        None if response.headers().contains_key(CONTENT_TYPE) => return response,
        None if response.response().extensions().contains::<Superseded>() => superseded(place),
        None => {
            let message = response.response().extensions().get().map(|Message(message)| message.clone());
            ErrorPage::new(layout(place), status.as_u16(), message.unwrap_or_else(|| message_of(status)))
        }
    };
    let page = page.with_again(retry_link(response.request(), status, place));
    let page = page.with_refused_user(refused_user(response.request(), place));
    let html = page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page cannot be rendered");
        page.message.in_language(page.layout.language)
    });
    let mut response = response.map_body(|_, _| BoxBody::new(html));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(place.viewer.language.tag()));
    if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A link to the page that the store kept from being shown: it may work a moment later.
fn retry_link(request: &HttpRequest, status: StatusCode, place: &Place) -> Option<String> {
    let is_worth_it = status == StatusCode::SERVICE_UNAVAILABLE && is_read(request);
    let path = is_worth_it.then(|| request.uri().path_and_query())?;
    same_page(&place.prefix, path.map_or("/", |path| path.as_str()))
}

/// The refused user, and the login page that leads back to the requested page.
fn refused_user(request: &HttpRequest, place: &Place) -> Option<RefusedUser> {
    let username = place.viewer.username.clone()?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let login = login_url(&place.prefix, if is_read(request) { path } else { "/" });
    Some(RefusedUser { username, login })
}

fn is_read(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn see_other(response: ServiceResponse, location: &str) -> ServiceResponse {
    let mut response = response.map_body(|_, _| BoxBody::new(""));
    *response.response_mut().status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().remove(CONTENT_TYPE);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The page for a failure of the session layer: what happened, and what helps.
fn page_of(error: &Error, is_read: bool, place: &Place) -> ErrorPage {
    let kind = error.kind();
    let page = |message: Text| ErrorPage::new(layout(place), kind.status(), message);
    let not_from_here = |message: Text| {
        page(message).with_advice(Text::new("error-cross-site-title"), Text::new("error-unchanged-here"), false)
    };
    match (kind, OriginRefusal::of(error)) {
        (ErrorKind::CrossSite, Some(OriginRefusal::CrossSite)) => not_from_here(Text::new("error-cross-site")),
        (ErrorKind::CrossSite, Some(OriginRefusal::ForeignOrigin | OriginRefusal::MissingOrigin)) => page(Text::new(
            "error-origin",
        ))
        .with_advice(Text::new("error-origin-title"), Text::new("error-origin-advice"), false),
        (ErrorKind::CrossSite, _) => not_from_here(Text::new("error-unclear")),
        (ErrorKind::StaleForm, _) => page(stale_form(error)).with_advice(
            Text::new("error-stale-form-title"),
            Text::new("error-stale-form-advice"),
            true,
        ),
        (ErrorKind::Stale, _) => page(Text::new("error-renewed")).with_advice(
            Text::new("error-renewed-title"),
            Text::new("error-unchanged-reload"),
            false,
        ),
        (ErrorKind::Gone, _) => page(Text::new("error-gone")).with_advice(
            Text::new("error-gone-title"),
            Text::new("error-unchanged-sign-in"),
            true,
        ),
        (ErrorKind::Unauthenticated, _) => {
            let message = match UnauthenticatedReason::of(error) {
                Some(UnauthenticatedReason::Ended) => Text::new("error-ended"),
                Some(UnauthenticatedReason::NoCookie) => Text::new("error-no-session-cookie"),
                Some(UnauthenticatedReason::TooLongAgo) => Text::new("error-too-long-ago"),
                _ => Text::new("error-not-signed-in"),
            };
            page(message).with_advice(Text::new("error-401-title"), Text::new("error-unchanged-sign-in"), true)
        }
        (ErrorKind::TooLarge, _) => page(Text::new("error-full")).with_advice(
            Text::new("error-full-title"),
            Text::new("error-full-advice"),
            false,
        ),
        // Part of the change may be done: a new password is set before the sessions that it ends are deleted.
        (ErrorKind::Unavailable, _) if !is_read => page(Text::new("error-unavailable")).with_advice(
            Text::new("error-503-title"),
            Text::new("error-unavailable-advice"),
            false,
        ),
        _ => page(public_message(kind)),
    }
}

/// The session layer's message for a kind of failure, in every language of the pages.
fn public_message(kind: ErrorKind) -> Text {
    match kind {
        ErrorKind::Unavailable => Text::new("error-unavailable-read"),
        ErrorKind::Unreadable => Text::new("error-unreadable"),
        ErrorKind::AlreadyTaken => Text::new("error-conflict"),
        ErrorKind::ReadOnly => Text::new("error-read-only"),
        ErrorKind::Forbidden => Text::new("error-forbidden"),
        ErrorKind::MalformedForm => Text::new("error-form-malformed"),
        ErrorKind::FormTooLarge => Text::new("error-form-large"),
        ErrorKind::NotAForm => Text::new("error-not-a-form"),
        _ => Text::new("error-service"),
    }
}

fn superseded(place: &Place) -> ErrorPage {
    ErrorPage::new(layout(place), 409, Text::new("error-superseded")).with_advice(
        Text::new("error-superseded-title"),
        Text::new("error-superseded-advice"),
        true,
    )
}

/// The reason why a form was refused, for the page that offers it again.
pub(crate) fn stale_form(error: &Error) -> Text {
    match TokenRefusal::of(error) {
        Some(TokenRefusal::NoCookie) => Text::new("form-no-cookie"),
        _ => Text::new("form-old"),
    }
}

/// The layout of error pages, the same for every visitor: it does not show a user.
fn layout(place: &Place) -> Layout {
    let Viewer { language, theme, .. } = place.viewer;
    Layout { api_origin: place.api_origin.clone(), prefix: place.prefix.clone(), language, theme, ..Layout::default() }
}

fn message_of(status: StatusCode) -> Text {
    match status.as_u16() {
        404 => Text::new("error-no-page"),
        405 => Text::new("error-no-method"),
        400..500 => Text::new("error-client"),
        _ => Text::new("error-service"),
    }
}
