//! Forms: read, bounded, and checked for the token of their page.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderValue, SET_COOKIE},
    },
    web,
};
use serde::{Deserialize, de::DeserializeOwned};
use shared_session::{ErrorKind, LazySession, cookie::RequestUrl, csrf::Issued};
use shared_session_actix::Rejection;
use shared_session_examples::{setup::Setup, text::percent_decoded};

use crate::{
    edge::Place,
    errors::{self, Failure},
};

/// The largest body of a form, in bytes.
const LIMIT: usize = 64 * 1024;
const URL_ENCODED: &str = "application/x-www-form-urlencoded";

/// A form that was posted. Its fields are behind [`current`](Self::current), so no handler forgets the token.
///
/// Anything but a URL-encoded form is 415, more than 64 KiB 413, what cannot be decoded 400.
pub(crate) struct Form<T>(Result<T, Stale<T>>);

/// A form without the token of a page that this visitor has now: most often the page is older than the session. The
/// handler offers the form again, with 403; `?` tells the visitor that the page was too old.
pub(crate) struct Stale<T> {
    /// What was typed, to fill the form again; nothing else may be done with it.
    pub(crate) fields: T,
    rejection: Rejection,
}

impl<T> Stale<T> {
    /// What to tell the visitor.
    pub(crate) fn message(&self) -> &'static str {
        errors::stale(self.rejection.error())
    }
}

/// The fields of a form that is only a button.
#[derive(Deserialize)]
pub(crate) struct Button {}

impl<T> Form<T> {
    /// The fields, if the form came from a page that this visitor has now.
    pub(crate) fn current(self) -> Result<T, Stale<T>> {
        self.0
    }
}

impl<T> From<Stale<T>> for Failure {
    fn from(stale: Stale<T>) -> Self {
        Self::Rejected(stale.rejection)
    }
}

/// A token for the forms of one page.
pub(crate) fn issue_token(setup: &Setup, request: &HttpRequest) -> Result<Issued, Failure> {
    let cookies = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    let tokens = setup.forms_under(&Place::of(request).prefix);
    Ok(tokens.issue(cookies, binding(request).as_deref())?)
}

/// The cookies that the answer to a sign-in carries, if the tokens need one.
pub(crate) fn rotate_token(setup: &Setup, request: &HttpRequest, response: &mut HttpResponse) -> Result<(), Failure> {
    let cookies = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    if let Some(cookie) = setup.forms.rotate(cookies)? {
        for header in cookie.headers(&url(request)) {
            let header = HeaderValue::try_from(header).map_err(|_| ErrorKind::Config)?;
            response.headers_mut().append(SET_COOKIE, header);
        }
    }
    Ok(())
}

/// Where `request` went, for the cookies of its answer.
pub(crate) fn url(request: &HttpRequest) -> RequestUrl<'_> {
    let in_header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    RequestUrl::new(request.uri().host().or_else(in_header), request.path())
}

fn verify_token(setup: &Setup, request: &HttpRequest, token: &str) -> Result<(), Rejection> {
    let cookies = request.headers().get_all(COOKIE).map(HeaderValue::as_bytes);
    Ok(setup.forms.verify(cookies, binding(request).as_deref(), token)?)
}

fn binding(request: &HttpRequest) -> Option<String> {
    request.extensions().get::<LazySession>().and_then(LazySession::form_binding)
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Failure;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self, Failure>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), web::Payload::from_request(request, payload).into_inner());
        Box::pin(async move {
            let payload = payload.map_err(|_| Failure::bad_request())?;
            let body = read(&request, payload).await?;
            Self::parse(&request, &body)
        })
    }
}

impl<T: DeserializeOwned> Form<T> {
    fn parse(request: &HttpRequest, body: &str) -> Result<Self, Failure> {
        #[derive(Default, Deserialize)]
        struct Token {
            csrfmiddlewaretoken: String,
        }
        let Some(setup) = request.app_data::<web::Data<Setup>>() else { return Err(ErrorKind::Config.into()) };
        let Token { csrfmiddlewaretoken } = decode(body).unwrap_or_default();
        match (verify_token(setup, request, &csrfmiddlewaretoken), decode(body)) {
            (Ok(()), Some(fields)) => Ok(Self(Ok(fields))),
            (Ok(()), None) => Err(Failure::bad_request()),
            (Err(rejection), Some(fields)) => Ok(Self(Err(Stale { fields, rejection }))),
            (Err(rejection), None) => Err(rejection.into()),
        }
    }
}

fn decode<T: DeserializeOwned>(body: &str) -> Option<T> {
    web::Query::from_query(body).ok().map(web::Query::into_inner)
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<String, Failure> {
    const TOO_LARGE: Failure = Failure::Page(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large.");
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > LIMIT as u64) {
        return Err(TOO_LARGE);
    }
    let body = match payload.to_bytes_limited(LIMIT).await {
        Ok(body) => body.map_err(|_| Failure::bad_request())?,
        Err(_) => return Err(TOO_LARGE),
    };
    // A form without fields may come without a type.
    let has_type = !body.is_empty() || request.headers().contains_key(CONTENT_TYPE);
    if has_type && !request.content_type().eq_ignore_ascii_case(URL_ENCODED) {
        return Err(Failure::Page(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not a form as browsers send it."));
    }
    // What is not UTF-8 would be replaced silently, so that two passwords could become one.
    match String::from_utf8(body.to_vec()) {
        Ok(body) if std::str::from_utf8(&percent_decoded(&body)).is_ok() => Ok(body),
        _ => Err(Failure::bad_request()),
    }
}
