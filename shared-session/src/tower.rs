//! A Tower layer that gives every request its session and commits the edits before the response is sent.
//!
//! - **A request that never loads its session passes untouched**: no store call, no header.
//! - **The head of a response waits for the commit**, so a browser that has the response finds its edits on every
//!   service.
//! - **A failed commit is never a success.** The manager's [`OnError`](crate::OnError) hook makes the response instead
//!   of the handler.
//! - **Any service fits.** The layer keeps its error type and accepts any body: hyper's `Incoming`, `Full<Bytes>`,
//!   Axum's, tonic's. The layer may stand anywhere in a `ServiceBuilder`.
//!
//! # A complete program
//!
//! A service that counts visits, behind the cross-origin check, and a browser that visits it twice:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use shared_session::{csrf::CrossOrigin, tower::CrossOriginLayer};
//! use shared_session::{Error, ErrorKind, LazySession, SessionLayer, SessionManager, store::MemoryStore};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! async fn count(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Error> {
//!     let session = request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await?;
//!     let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
//!     Ok(Response::new(Full::from(format!("visit {visits}"))))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let service = ServiceBuilder::new()
//!         .layer(SessionLayer::new(SessionManager::new(MemoryStore::new())))
//!         .layer(CrossOriginLayer::new(CrossOrigin::new(["https://app.example"])?))
//!         .service_fn(count);
//!
//!     let first = service.clone().oneshot(Request::new(Full::default())).await?;
//!     let cookie = first.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default();
//!     let second = Request::builder().header("cookie", cookie).body(Full::default())?;
//!     let answer = service.oneshot(second).await?.into_body().collect().await?;
//!     assert_eq!(answer.to_bytes(), "visit 2");
//!     Ok(())
//! }
//! ```
//!
//! # What it does
//!
//! [`SessionLayer`](crate::SessionLayer) puts a [`LazySession`](crate::LazySession) into the extensions of each
//! request. When the inner service has responded, the layer
//!
//! 1. commits the edits, in one atomic write;
//! 2. adds `Set-Cookie` or `Session-Token`, `Vary` and `Cache-Control`;
//! 3. wraps the body in a [`ResponseBody`], which copies and boxes nothing.
//!
//! It commits nothing after a 5xx, an error of the inner service, or a HEAD or OPTIONS request, nor if the client
//! disconnects before the response.
//!
//! # Failures
//!
//! - **The session cannot be loaded**: `load` returns the [`Error`](crate::Error). If the store failed, the response is
//!   503, regardless of what the handler does with the error.
//! - **The commit fails**: the hook makes the response: 503 if the store does not answer, 413 if the session is too
//!   large.
//! - **The handler refuses**: the hook also replaces a response with [`Rejected`](crate::Rejected) in its extensions.
//!   The adapters' extractors return such responses.
//! - **A page for each failure**: the hook's response carries the `Error` in its extensions, for an outer layer that
//!   renders pages. [`into_response`] renders a [`Reply`] elsewhere.
//! - **Without the layer** a request has no `LazySession`: respond with
//!   [`ErrorKind::Config`](crate::ErrorKind::Config), as the program does, and never treat the visitor as anonymous.
//!
//! # Cookbook
//!
//! - **gRPC**: [`grpc`] reports failures as gRPC requires, with HTTP 200 and a `grpc-status`.
//! - **Sign-in for whole routes**: [`users::Guard`](crate::users::Guard) decides; the adapters have layers around it.
//! - **Axum**: `shared-session-axum` has extractors on top of this layer.

mod body;
mod cross_origin;
mod future;
pub mod grpc;
pub(crate) mod layer;
mod service;

pub use body::ResponseBody;
pub(crate) use body::inner;
pub use cross_origin::{CrossOriginFuture, CrossOriginLayer, CrossOriginService};
pub use future::ResponseFuture;
pub use service::SessionService;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{cookie::RequestUrl, engine::outcome::Outcome, reply::Reply};

/// Renders a [`Reply`] as an HTTP response. Invalid headers are left out.
#[must_use]
pub fn into_response<B: From<String>>(reply: Reply) -> Response<B> {
    let mut response = Response::new(B::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Adds the headers that the session requires to a response.
pub(crate) fn apply<'a, B>(outcome: Outcome, url: impl FnOnce() -> RequestUrl<'a>, response: &mut Response<B>) {
    if outcome.is_silent() {
        return;
    }
    let headers = response.headers_mut();
    if let Some(value) = outcome.cache_control(headers.contains_key(header::CACHE_CONTROL)) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    }
    if let Some(name) = outcome.vary(headers.get_all(header::VARY).iter().map(HeaderValue::as_bytes)) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
    if let Some(Ok(mut token)) = outcome.bearer_token().map(HeaderValue::try_from) {
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static(Outcome::BEARER_HEADER), token);
    }
    outcome.into_set_cookies(url, |value| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(header::SET_COOKIE, value);
        }
    });
}
