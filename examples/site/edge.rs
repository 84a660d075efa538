//! What happens to every request on its way in and to every response on its way out.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    web,
};
use shared_session::ClientAddress;
use shared_session_examples::{network::client_address, pages::content_security_policy, setup::Setup};

use crate::errors;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Notes the client's address, lets the request be answered, gives errors without a body their page, and adds the
/// security headers.
pub(crate) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let started = Instant::now();
    if let Some(setup) = request.app_data::<web::Data<Setup>>()
        && let Some(peer) = request.peer_addr()
    {
        let forwarded_for: Vec<_> =
            request.headers().get_all(&X_FORWARDED_FOR).map(|value| value.to_str().unwrap_or_default()).collect();
        let client = client_address(peer.ip(), &forwarded_for, &setup.settings.trusted_proxies);
        request.extensions_mut().insert(ClientAddress(client));
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let api_origin = api_origin(response.request());
    let mut response = errors::with_page(response, &api_origin);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(&api_origin)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: with that, browsers send `Origin: null` along with forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY.clone(), HeaderValue::from_static("same-origin"));
    let request = response.request();
    tracing::debug!(
        method = %request.method(),
        path = request.path(),
        status = response.status().as_u16(),
        micros = started.elapsed().as_micros(),
        "answered"
    );
    Ok(response)
}

/// The origin of `api` for the visitor who sent `request`.
pub(crate) fn api_origin(request: &HttpRequest) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    request.app_data::<web::Data<Setup>>().map(|setup| setup.settings.api_origin(host)).unwrap_or_default()
}
