//! What operators ask for. None of it touches a session.

use actix_web::{HttpResponse, web::Data};
use shared_session_examples::{metrics, setup::Setup};

pub(super) async fn healthz() -> HttpResponse {
    text(HttpResponse::Ok(), "ok\n")
}

pub(super) async fn readyz(setup: Data<Setup>) -> HttpResponse {
    let down = setup.down().await;
    if down.is_empty() {
        return text(HttpResponse::Ok(), "ready\n");
    }
    let mut response = HttpResponse::ServiceUnavailable();
    response.insert_header(("retry-after", setup.settings.retry_after.as_secs().to_string()));
    text(response, format!("down: {}\n", down.join(", ")))
}

pub(super) async fn metrics() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(metrics::render())
}

fn text(mut response: actix_web::HttpResponseBuilder, body: impl Into<String>) -> HttpResponse {
    response.content_type("text/plain; charset=utf-8").insert_header(("cache-control", "no-store")).body(body.into())
}
