//! Prepares every request on its way in, and completes every response on its way out.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorInternalServerError, ErrorRequestTimeout},
    http::{
        Uri,
        header::{
            CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::Next,
    web,
};
use shared_session::ClientAddress;
use shared_session_examples::{
    network::client_address, pages::content_security_policy, prefix::Prefix, settings::Settings, setup::Setup,
};
use tokio::time::timeout;

use crate::{errors, place::Place};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Records the client's address and the public path of the site, calls the inner service, renders error pages, and adds
/// the security headers.
pub(crate) async fn pass(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let started = Instant::now();
    let Some(setup) = request.app_data::<web::Data<Setup>>().cloned() else {
        return Err(ErrorInternalServerError("the site was started without its setup"));
    };
    note_client(&mut request, &setup.settings);
    // Dropping a request does not stop a commit that has begun.
    let answered = timeout(setup.settings.http.request, next.call(request)).await;
    let response = answered.map_err(|_| ErrorRequestTimeout("The request took too long."))??.map_into_boxed_body();
    let place = Place::of(response.request());
    let mut response = errors::with_page(response, &place);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(&place.api_origin)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    // No cache may keep a visitor's data, not even the browser's: the next user of the machine would see it.
    if headers.get_all(VARY).any(|value| value == "Cookie") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // The language of a page depends on the request.
    if headers.contains_key(CONTENT_LANGUAGE) {
        headers.append(VARY, HeaderValue::from_static("Accept-Language"));
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

/// Records the client's address and the prefix. Forwarding headers count only from a trusted proxy.
fn note_client(request: &mut ServiceRequest, settings: &Settings) {
    let mut prefix = settings.site_prefix.clone();
    if let Some(peer) = request.peer_addr().map(|peer| peer.ip()) {
        let values = |name| request.headers().get_all(name).map(HeaderValue::as_bytes);
        let client = client_address(peer, values(&X_FORWARDED_FOR), &settings.trusted_proxies);
        let is_trusted = settings.trusted_proxies.iter().any(|network| network.contains(peer));
        let forwarded = is_trusted.then(|| Prefix::forwarded(values(&X_FORWARDED_PREFIX)));
        prefix = forwarded.flatten().unwrap_or(prefix);
        request.extensions_mut().insert(ClientAddress(client));
    }
    strip_prefix(request, &prefix);
    request.extensions_mut().insert(prefix);
}

/// Removes the prefix, which some proxies leave on; the routes do not include it.
fn strip_prefix(request: &mut ServiceRequest, prefix: &Prefix) {
    let rest = request.uri().path_and_query().and_then(|path| prefix.strip(path.as_str()));
    let Some(rest) = rest.and_then(|rest| rest.parse().ok()) else { return };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(rest);
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}
