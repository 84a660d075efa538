//! The Tower layer: [`SessionManager`](crate::SessionManager) around any HTTP service.
//!
//! The [`LazySession`](crate::LazySession) of each request is in its extensions. When the inner service has
//! answered,
//!
//! 1. a request that never loaded its session passes untouched: no store call, no header;
//! 2. edits are committed before the head of the response is sent, except after a 5xx, and after HEAD and OPTIONS;
//! 3. `Set-Cookie`, `Vary` and `Cache-Control` are added;
//! 4. if the commit fails, or the response carries a [`Rejected`](crate::Rejected) error, the manager's `on_error` hook answers instead.
//!    Its answer has the [`Error`](crate::Error) in its extensions, for a layer outside that draws pages.
//!
//! The inner service's error type stays as it is; an error commits nothing. Its body may be any: the answer's is a
//! [`ResponseBody`] around it, so the layer stands anywhere in a `ServiceBuilder`, and around hyper's `Incoming`,
//! `Full<Bytes>`, Axum's body and tonic's alike. [`grpc`] says how to use it with tonic.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use shared_session::{Error, LazySession, SessionLayer, SessionManager, csrf::{CrossOrigin, CrossOriginLayer}, store::MemoryStore};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let service = ServiceBuilder::new()
//!     .layer(SessionLayer::new(SessionManager::new(MemoryStore::new())))
//!     .layer(CrossOriginLayer::new(CrossOrigin::new(["https://app.example"])?))
//!     .service_fn(async |request: Request<Full<Bytes>>| {
//!         let session = request.extensions().get::<LazySession>().ok_or(shared_session::ErrorKind::Config)?;
//!         session.load().await?.insert("theme", "dark")?;
//!         Ok::<_, Error>(Response::new(Full::new(Bytes::from("kept"))))
//!     });
//! let response = service.oneshot(Request::new(Full::default())).await?;
//! assert!(response.headers().contains_key("set-cookie"));
//! assert_eq!(response.into_body().collect().await.map(|body| body.to_bytes()), Ok(Bytes::from("kept")));
//! # Ok(()) }
//! ```

mod body;
mod future;
pub mod grpc;
mod layer;
mod service;

pub use body::ResponseBody;
pub(crate) use body::inner;
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{Outcome, Reply, cookie::RequestUrl};

/// Renders a [`Reply`] as an HTTP response. Headers that are not valid are left out.
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
pub(crate) fn apply<B>(outcome: &Outcome, url: &RequestUrl<'_>, response: &mut Response<B>) {
    let headers = response.headers_mut();
    if let Some(value) = outcome.cache_control(headers.contains_key(header::CACHE_CONTROL)) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    }
    if let Some(name) = outcome.vary(headers.get_all(header::VARY).iter().map(HeaderValue::as_bytes)) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
    for value in outcome.set_cookies(url).into_iter().flat_map(HeaderValue::try_from) {
        headers.append(header::SET_COOKIE, value);
    }
}
