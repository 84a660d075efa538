//! The service of the session layer: opens the session before the handler.

use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response, header};
use tower_service::Service;

use crate::{
    cookie::Transport,
    engine::{manager::SessionManager, session::lazy::LazySession},
    tower::{
        ResponseBody, ResponseFuture,
        future::{Asked, Own},
    },
};

/// The service that [`SessionLayer`](crate::SessionLayer) makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    pub(super) inner: S,
    pub(super) manager: SessionManager,
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
        if request.extensions().get::<LazySession>().is_some_and(|outer| self.manager.has_opened(outer)) {
            return ResponseFuture::new(self.inner.call(request), None);
        }
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
        if let Some(outer) = request.extensions_mut().insert(session) {
            guard.session().replaces(&outer);
        }
        ResponseFuture::new(self.inner.call(request), Some(Own { guard, asked }))
    }
}

fn transport<B>(session: &LazySession, request: &Request<B>, host: Option<&HeaderValue>) -> Transport {
    let (uri, header) = (request.uri(), |name| request.headers().get(name).map(HeaderValue::as_bytes));
    let host = || host.and_then(|host| host.to_str().ok());
    session.transport(uri.scheme_str(), uri.host().or_else(host), header)
}
