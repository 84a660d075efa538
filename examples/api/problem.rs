//! Errors as `application/problem+json` (RFC 9457). No body reveals internals.

use std::{any::Any, collections::BTreeMap, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared_session_axum::Rejection;
use shared_session_examples::throttles::retry_after;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Header, Ref, RefOr, ResponseBuilder, response},
};

const CONTENT_TYPE: &str = "application/problem+json";

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says it all.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The name of the status.
    #[schema(example = "Unauthorized")]
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599, example = 401)]
    status: u16,
    /// A sentence for people.
    #[schema(example = "Please sign in.")]
    detail: &'static str,
    /// Which parts of the service are down; `/readyz` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    down: Vec<&'static str>,
    /// Seconds until a client may ask again, with 429 and 503.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: u64,
    /// The value of `WWW-Authenticate` of a 401.
    #[serde(skip)]
    #[schema(ignore)]
    challenge: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            r#type: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail,
            down: Vec::new(),
            retry_after: 1,
            challenge: None,
        }
    }

    /// The problem of a status for which the handler has no text of its own.
    pub(crate) fn of(status: StatusCode) -> Self {
        Self::new(status, meaning(status))
    }

    /// 503 with the parts that do not answer.
    pub(crate) fn not_ready(down: Vec<&'static str>, retry_after: Duration) -> Self {
        Self { down, retry_after: retry_after.as_secs(), ..Self::of(StatusCode::SERVICE_UNAVAILABLE) }
    }

    /// Adds `WWW-Authenticate` (RFC 9110, 15.5.2).
    pub(crate) fn with_challenge(self, challenge: Option<&'static str>) -> Self {
        Self { challenge, ..self }
    }

    /// 429 with the time to wait.
    pub(crate) fn too_many(wait: Duration) -> Self {
        Self { retry_after: retry_after(wait), ..Self::of(StatusCode::TOO_MANY_REQUESTS) }
    }
}

/// Whether an answer of this status has a `Retry-After`.
fn has_retry_after(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of numbers and text can always be written as JSON.
        let body = serde_json::to_string(&self).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        if has_retry_after(status) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The reason why a handler failed.
pub(crate) enum ApiError {
    /// The request is at fault.
    Problem(Problem),
    /// An error of the session or the users; the session layer answers.
    Session(Rejection),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StatusCode> for ApiError {
    fn from(status: StatusCode) -> Self {
        Self::Problem(Problem::of(status))
    }
}

impl From<shared_session::Error> for ApiError {
    fn from(error: shared_session::Error) -> Self {
        Self::Session(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Session(rejection) => rejection.into_response(),
        }
    }
}

/// Turns every error into a problem, also Axum's own: an unknown path, a method that is not allowed.
pub(crate) async fn finish(mut response: Response) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if failed && response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != CONTENT_TYPE) {
        let (mut parts, body) = Problem::of(status).into_response().into_parts();
        // Other headers stay, for example `Allow` of a 405.
        for (name, value) in response.headers() {
            if !parts.headers.contains_key(name) && name != header::CONTENT_LENGTH {
                parts.headers.append(name, value.clone());
            }
        }
        response = Response::from_parts(parts, body);
    }
    response
}

/// The answer when a handler panics. The panic message is logged, never shown.
pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::of(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// The problem of one status, for the OpenAPI document.
pub(crate) struct Fails<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Fails<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let mut response = ResponseBuilder::new().description(meaning(status)).content(CONTENT_TYPE, content);
        if has_retry_after(status) {
            response = response.header("Retry-After", Header::default());
        }
        BTreeMap::from([(STATUS.to_string(), response.build().into())])
    }
}

/// The errors of every route that reads the session.
pub(crate) struct ReadFails;

impl IntoResponses for ReadFails {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let mut all = Fails::<500>::responses();
        all.extend(Fails::<503>::responses());
        all
    }
}

/// The errors of every route that changes the session.
pub(crate) struct WriteFails;

impl IntoResponses for WriteFails {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let mut all = ReadFails::responses();
        all.extend(Fails::<403>::responses());
        all.extend(Fails::<409>::responses());
        all.extend(Fails::<413>::responses());
        all
    }
}

/// The reason phrases of RFC 9110; the `http` crate has older ones.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        status => status.canonical_reason().unwrap_or("Error"),
    }
}

fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request cannot be read.",
        StatusCode::UNAUTHORIZED => "Please sign in.",
        StatusCode::FORBIDDEN => {
            "You are not allowed to do this, or the request did not come from a page that this service accepts."
        }
        StatusCode::NOT_FOUND => "There is nothing here.",
        StatusCode::METHOD_NOT_ALLOWED => "This method is not allowed here.",
        StatusCode::REQUEST_TIMEOUT => "The request took too long.",
        StatusCode::CONFLICT => {
            "Your session was renewed or ended while the request ran. Nothing was changed. Please try again."
        }
        StatusCode::PAYLOAD_TOO_LARGE => "This is too large.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body must be JSON, and its type application/json.",
        StatusCode::UNPROCESSABLE_ENTITY => "The request has another form than the documented one.",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts. Please wait and try again.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is temporarily unavailable. Please try again.",
        status if status.is_client_error() => "The request cannot be answered.",
        _ => "The service failed to answer.",
    }
}
