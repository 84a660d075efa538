//! The core's replies as responses of Actix Web.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use shared_session::Reply;

/// Renders a [`Reply`] for Actix Web. Invalid headers are left out.
pub(crate) fn into_response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::new(status);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name), header::HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.set_body(actix_web::body::BoxBody::new(reply.body))
}
