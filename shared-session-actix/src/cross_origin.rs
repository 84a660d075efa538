use std::{
    error::Error as _,
    future::{Ready, ready},
};

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::header::{HeaderName, HeaderValue, ORIGIN, UPGRADE},
};
use futures_util::future::{Either, LocalBoxFuture};
use shared_session::{
    Failure, OnError,
    csrf::{CrossOrigin, OriginHeaders},
};

use crate::reply::into_response;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
    cross_origin: CrossOrigin,
    on_error: OnError,
}

impl CrossOriginMiddleware {
    /// Lets through what `cross_origin` allows.
    #[must_use]
    pub fn new(cross_origin: CrossOrigin) -> Self {
        Self { cross_origin, on_error: OnError::default() }
    }

    /// What a refused request is answered with. Default: [`Reply::problem`](shared_session::Reply::problem), which tells
    /// a client nothing internal. The answer has the [`Error`](shared_session::Error) in its extensions;
    /// [`Refusal::of`](shared_session::csrf::Refusal::of) says why.
    #[must_use]
    pub fn with_on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
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
        ready(Ok(CrossOriginService {
            inner,
            cross_origin: self.cross_origin.clone(),
            on_error: self.on_error.clone(),
        }))
    }
}

/// The service that [`CrossOriginMiddleware`] makes.
#[derive(Debug)]
pub struct CrossOriginService<S> {
    inner: S,
    cross_origin: CrossOrigin,
    on_error: OnError,
}

impl<S> CrossOriginService<S> {
    fn check(&self, request: &ServiceRequest) -> Result<(), shared_session::Error> {
        let values = |name: &HeaderName| request.headers().get_all(name).map(HeaderValue::as_bytes);
        let headers = OriginHeaders::new(request.method().as_str(), values(&SEC_FETCH_SITE), values(&ORIGIN))
            .with_upgrade(request.headers().contains_key(UPGRADE));
        self.cross_origin.check(headers).into_result()
    }
}

impl<S, B> Service<ServiceRequest> for CrossOriginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<LocalBoxFuture<'static, Result<Self::Response, Error>>, Ready<Result<Self::Response, Error>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.check(&request) {
            Ok(()) => {
                let handling = self.inner.call(request);
                Either::Left(Box::pin(async move { Ok(handling.await?.map_into_left_body()) }))
            }
            Err(error) => {
                tracing::debug!(reason = error.source().map(tracing::field::display), "cross-origin request refused");
                let path_and_query = request.uri().path_and_query().map_or("", |path| path.as_str());
                let failure = Failure::new(&error, request.method().as_str(), path_and_query);
                let mut reply = into_response(self.on_error.reply(&failure)).map_into_right_body();
                reply.extensions_mut().insert(error);
                let (request, _) = request.into_parts();
                Either::Right(ready(Ok(ServiceResponse::new(request, reply))))
            }
        }
    }
}
