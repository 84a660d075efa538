//! Routes for operators. None of them touches a session.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{AUTHORIZATION, HeaderValue},
    },
    web::{Data, ServiceConfig, resource},
};
use shared_session_examples::{
    metrics,
    operations::{Access, Listener, access},
    setup::Setup,
};

use super::methods::get;

/// These routes alone, for a listener of their own.
pub(crate) fn all(app: &mut ServiceConfig) {
    app.service(resource("/healthz").route(get().to(healthz)))
        .service(resource("/readyz").route(get().to(readyz)))
        .service(resource("/metrics").route(get().to(metrics)));
}

async fn healthz() -> HttpResponse {
    text(HttpResponse::Ok(), "ok\n")
}

async fn readyz(setup: Data<Setup>, request: HttpRequest) -> HttpResponse {
    if let Some(refusal) = refusal(&setup, &request) {
        return refusal;
    }
    let down = setup.down().await;
    if down.is_empty() {
        return text(HttpResponse::Ok(), "ready\n");
    }
    let mut response = HttpResponse::ServiceUnavailable();
    response.insert_header(("retry-after", setup.settings.retry_after.as_secs().to_string()));
    text(response, format!("down: {}\n", down.join(", ")))
}

async fn metrics(setup: Data<Setup>, request: HttpRequest) -> HttpResponse {
    if let Some(refusal) = refusal(&setup, &request) {
        return refusal;
    }
    HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .insert_header(("cache-control", "no-store"))
        .body(metrics::render())
}

/// The answer if access is refused.
fn refusal(setup: &Setup, request: &HttpRequest) -> Option<HttpResponse> {
    let listener = request.app_data::<Listener>().copied().unwrap_or_default();
    let authorization = request.headers().get_all(AUTHORIZATION).map(HeaderValue::as_bytes);
    match access(&setup.settings.operations, listener, authorization) {
        Access::Allowed => None,
        Access::Elsewhere => Some(HttpResponse::new(StatusCode::NOT_FOUND)),
        Access::TokenNeeded => {
            let mut response = HttpResponse::Unauthorized();
            response.insert_header(("www-authenticate", "Bearer"));
            Some(text(response, "a token is needed\n"))
        }
    }
}

fn text(mut response: HttpResponseBuilder, body: impl Into<String>) -> HttpResponse {
    response.content_type("text/plain; charset=utf-8").insert_header(("cache-control", "no-store")).body(body.into())
}
