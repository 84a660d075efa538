//! The middleware that refuses unsafe requests from other sites.

use std::future::{Ready, ready};

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header::HeaderValue,
};
use futures_util::future::LocalBoxFuture;
use shared_session::{
    OnError,
    csrf::{CrossOrigin, CrossOriginCheck, Refused},
};

use crate::reply::into_response;

/// Applies [`CrossOrigin`] to an app or a scope: refuses unsafe requests that another site made.
///
/// A refused request never reaches a handler. `wrap` it after [`SessionMiddleware`](crate::SessionMiddleware), which
/// puts it outside, and before a CORS middleware, so that the page of an allowed origin can read the refusal.
///
/// ```
/// use actix_web::{App, test, web};
/// use shared_session::csrf::CrossOrigin;
/// use shared_session_actix::CrossOriginMiddleware;
///
/// # #[actix_web::main] async fn main() -> Result<(), shared_session::Error> {
/// let guard = CrossOriginMiddleware::new(CrossOrigin::new(["https://app.example"])?);
/// let app = test::init_service(App::new().wrap(guard).route("/", web::post().to(async || "done"))).await;
/// for (origin, status) in [("https://app.example", 200), ("https://evil.example", 403)] {
///     let request = test::TestRequest::post().insert_header(("origin", origin)).to_request();
///     assert_eq!(test::call_service(&app, request).await.status(), status);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CrossOriginMiddleware {
    check: CrossOriginCheck,
}

impl CrossOriginMiddleware {
    /// Accepts the requests that `cross_origin` allows.
    #[must_use]
    pub fn new(cross_origin: CrossOrigin) -> Self {
        Self { check: CrossOriginCheck::new(cross_origin) }
    }

    /// Sets the response to a refused request: a closure, or an [`OnError`]. Default: the hook of the session's manager
    /// if this middleware is inside [`SessionMiddleware`](crate::SessionMiddleware), else
    /// [`Reply::problem`](shared_session::Reply::problem). Outside of it, pass `manager.on_error().clone()`, so that
    /// one hook handles all failures. The response has the [`Error`](shared_session::Error) in its extensions;
    /// [`OriginRefusal::of`](shared_session::csrf::OriginRefusal::of) gives the reason.
    #[must_use]
    pub fn with_on_error(self, on_error: impl Into<OnError>) -> Self {
        Self { check: self.check.with_on_error(on_error) }
    }
}

impl<S, B> Transform<S, ServiceRequest> for CrossOriginMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = CrossOriginService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(CrossOriginService { inner, check: self.check.clone() }))
    }
}

/// The service of [`CrossOriginMiddleware`].
#[derive(Debug)]
pub struct CrossOriginService<S> {
    inner: S,
    check: CrossOriginCheck,
}

impl<S> CrossOriginService<S> {
    fn refuse(&self, request: &ServiceRequest) -> Option<Refused> {
        self.check.refuse(
            request.method().as_str(),
            request.uri().path_and_query().map_or("", |path| path.as_str()),
            |name| request.headers().get_all(name).map(HeaderValue::as_bytes),
        )
    }
}

impl<S, B> Service<ServiceRequest> for CrossOriginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.refuse(&request) {
            None => {
                let handling = self.inner.call(request);
                Box::pin(async move { Ok(handling.await?.map_into_left_body()) })
            }
            Some(Refused { reply, error, rejected, .. }) => {
                let mut reply = into_response(reply);
                reply.extensions_mut().insert(error);
                rejected.map(|rejected| reply.extensions_mut().insert(rejected));
                let (request, _) = request.into_parts();
                Box::pin(async move { Ok(ServiceResponse::new(request, reply.map_into_right_body())) })
            }
        }
    }
}
