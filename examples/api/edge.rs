//! Checks every request on its way in, and adds headers to every response on its way out.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::problem::Problem;

/// The headers of every answer. No site may frame a page of this service, because `/docs` acts for the signed-in user.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("frame-ancestors 'none'; base-uri 'none'; object-src 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Refuses a request that does not name one host, and adds the security headers.
pub(crate) async fn pass(request: Request, next: Next) -> Response {
    let mut response = if names_one_host(&request) {
        next.run(request).await
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "An HTTP/1.1 request has exactly one Host.").into_response()
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    // No cache may keep a visitor's data, not even the browser's: the next user of the machine would see it.
    if headers.get_all(header::VARY).iter().any(|value| value.as_bytes().starts_with(b"Cookie")) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether the request names exactly one host (RFC 9112, 3.2). Otherwise proxies and this service might take it for
/// different hosts.
fn names_one_host(request: &Request) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}
