//! The session as a Tower layer: the layer, its service, and the future that commits before it answers.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    cookie::{RequestUrl, Transport},
    engine::{
        manager::SessionManager,
        outcome::Outcome,
        request::{RequestGuard, commit::Close},
        session::lazy::LazySession,
    },
    reply::Rejected,
    store::BoxFuture,
    tower::{ResponseBody, apply, grpc, inner, into_response},
};

/// Gives every request of a Tower service its [`LazySession`](crate::LazySession), as an extension, and commits what
/// was edited before the response is sent. Put it around the whole router. The [module](crate::tower) has a program.
///
/// A request without a cookie, or whose handler does not load the session, costs no round trip.
///
/// ```
/// use shared_session::{SessionLayer, SessionManager, store::MemoryStore};
/// use tower::ServiceBuilder;
///
/// let layer = SessionLayer::new(SessionManager::new(MemoryStore::new()));
/// let services = ServiceBuilder::new().layer(layer);
/// # let _ = services;
/// ```
#[doc(alias = "SessionManagerLayer")]
#[derive(Clone, Debug)]
pub struct SessionLayer {
    manager: SessionManager,
}

impl SessionLayer {
    /// Sessions of `manager`.
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        Self { manager }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, manager: self.manager.clone() }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    manager: SessionManager,
}

impl<S, RequestBody, B> Service<Request<RequestBody>> for SessionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let values = |name| {
            let name = if name == "cookie" { header::COOKIE } else { HeaderName::from_static(name) };
            request.headers().get_all(name).iter().map(HeaderValue::as_bytes)
        };
        let session = self.manager.open_request(request.method().as_str(), values);
        let host = request.headers().get(header::HOST);
        let asked = Asked {
            method: request.method().clone(),
            host: host.cloned(),
            uri: request.uri().clone(),
            transport: if session.asks_for_transport() {
                transport(&session, &request, host)
            } else {
                Transport::Unknown
            },
        };
        let guard = session.guard();
        request.extensions_mut().insert(session);
        ResponseFuture::new(self.inner.call(request), guard, asked)
    }
}

fn transport<B>(session: &LazySession, request: &Request<B>, host: Option<&HeaderValue>) -> Transport {
    let (uri, header) = (request.uri(), |name| request.headers().get(name).map(HeaderValue::as_bytes));
    let host = || host.and_then(|host| host.to_str().ok());
    session.transport(uri.scheme_str(), uri.host().or_else(host), header)
}

pin_project! {
    /// The future of a [`SessionService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        stage: Stage<F, B>,
        guard: RequestGuard,
        asked: Asked,
    }
}

/// The parts of the request that the answer needs.
struct Asked {
    method: Method,
    host: Option<HeaderValue>,
    uri: Uri,
    transport: Transport,
}

impl Asked {
    fn url(&self) -> RequestUrl<'_> {
        let in_header = || self.host.as_ref().and_then(|host| host.to_str().ok());
        RequestUrl::new(self.uri.host().or_else(in_header), self.uri.path()).with_transport(self.transport)
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, B> {
        Handling { #[pin] handler: F },
        Committing { commit: BoxFuture<'static, Outcome>, response: Option<Response<B>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    fn new(handler: F, guard: RequestGuard, asked: Asked) -> Self {
        Self { stage: Stage::Handling { handler }, guard, asked }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        loop {
            let (outcome, response) = match this.stage.as_mut().project() {
                StageProjection::Handling { handler } => {
                    this.guard.enter();
                    let response = ready!(handler.poll(cx))?;
                    match this.guard.inner().close(grpc::ending(&response)) {
                        Close::Done(outcome) => (outcome, response),
                        Close::Commit(commit) => {
                            let commit = Box::pin(commit.run());
                            this.stage.set(Stage::Committing { commit, response: Some(response) });
                            continue;
                        }
                    }
                }
                StageProjection::Committing { commit, response } => {
                    let outcome = ready!(commit.as_mut().poll(cx));
                    match response.take() {
                        Some(response) => (outcome, response),
                        // Polled again after it was ready, which is a bug of the caller.
                        None => return Poll::Pending,
                    }
                }
            };
            let rejected = response.extensions().get::<Rejected>();
            let answer = if outcome.error().is_some() || rejected.is_some() {
                let path = this.asked.uri.path_and_query().map_or("/", |path| path.as_str());
                this.guard.session().answer(outcome.error(), rejected, this.asked.method.as_str(), path)
            } else {
                None
            };
            let mut response = match answer {
                None => inner(response),
                Some((reply, error)) => {
                    let mut response = into_response(reply);
                    response.extensions_mut().insert(error);
                    response
                }
            };
            apply(outcome, || this.asked.url(), &mut response);
            return Poll::Ready(Ok(response));
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
