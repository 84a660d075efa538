//! The session middleware: opens the session before the handler, closes it after.

use std::future::{Ready, ready};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BoxBody, EitherBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, Uri,
        header::{CACHE_CONTROL, HOST, HeaderName, HeaderValue, SET_COOKIE, VARY},
    },
};
use futures_util::future::LocalBoxFuture;
use shared_session::{
    Close, Ending, LazySession, Outcome, Rejected, SessionManager,
    cookie::{RequestUrl, Transport},
};

use crate::reply::into_response;

/// Gives every request of an app or a scope its session.
///
/// The [`LazySession`] of each request is in its extensions. When the inner service has responded,
///
/// 1. a request that never loaded its session passes untouched: no store call, no header;
/// 2. edits are committed before the head of the response is sent, except after a 5xx or an error of the inner service,
///    and after HEAD and OPTIONS;
/// 3. `Set-Cookie` or `Session-Token`, `Vary` and `Cache-Control` are added;
/// 4. if the commit failed, or the response is a [`Rejection`](crate::Rejection), the manager's `on_error` hook makes
///    the response instead. It has the [`Error`](shared_session::Error) in its extensions, for an outer middleware that
///    renders pages.
///
/// ```
/// use actix_web::{App, test, web};
/// use shared_session::{SessionManager, store::MemoryStore};
/// use shared_session_actix::{Rejection, Session, SessionMiddleware};
///
/// # #[actix_web::main] async fn main() {
/// let manager = SessionManager::new(MemoryStore::new());
/// let app = test::init_service(App::new().wrap(SessionMiddleware::new(manager)).route(
///     "/",
///     web::get().to(async |session: Session| {
///         session.insert("theme", "dark")?;
///         Ok::<_, Rejection>("kept")
///     }),
/// ))
/// .await;
/// let response = test::call_service(&app, test::TestRequest::get().to_request()).await;
/// assert!(response.headers().contains_key("set-cookie"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionMiddleware {
    manager: SessionManager,
}

impl SessionMiddleware {
    /// Uses the sessions of `manager`. Create the manager once, outside the closure given to `HttpServer::new`, and
    /// clone it. Each worker connects to Redis [by itself](SessionManager::on_this_runtime).
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        Self { manager }
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        // This runs in the thread of each worker, which has its own runtime.
        ready(Ok(SessionService { inner, manager: self.manager.on_this_runtime() }))
    }
}

/// The service of [`SessionMiddleware`].
#[derive(Debug)]
pub struct SessionService<S> {
    inner: S,
    manager: SessionManager,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if request.extensions().get::<LazySession>().is_some_and(|outer| self.manager.has_opened(outer)) {
            let handling = self.inner.call(request);
            return Box::pin(async move { Ok(handling.await?.map_into_left_body()) });
        }
        let values = |name| request.headers().get_all(name).map(HeaderValue::as_bytes);
        let session = self.manager.open_request(request.method().as_str(), values);
        let transport = transport(&session, &request);
        let outer = request.extensions_mut().insert(session.clone());
        if let Some(outer) = outer {
            session.replaces(&outer);
        }
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let host = request.headers().get(HOST).cloned();
        let (handling, manager, guard) = (self.inner.call(request), self.manager.clone(), session.guard());
        Box::pin(async move {
            guard.enter();
            let result = handling.await;
            let ending = match &result {
                Ok(response) => Ending::of_status(response.status().as_u16()),
                Err(_) => Ending::Failed,
            };
            let outcome = match manager.close(&session, ending) {
                Close::Done(outcome) => outcome,
                Close::Commit(commit) => manager.commit(commit).await,
            };
            let answer = Answer { outcome, session, method, host, uri, transport };
            match result {
                Ok(response) => Ok(answer.to(response)),
                Err(mut error) => {
                    // The error keeps its type; the session's headers are added to its response.
                    error.add_response_mapper(move |mut response| answer.instead_of(&mut response).unwrap_or(response));
                    Err(error)
                }
            }
        })
    }
}

/// The effect of the session on the response.
struct Answer {
    outcome: Outcome,
    session: LazySession,
    method: Method,
    host: Option<HeaderValue>,
    uri: Uri,
    transport: Transport,
}

impl Answer {
    fn to<B>(&self, response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
        let (request, mut response) = response.into_parts();
        let response = match self.instead_of(&mut response) {
            None => response.map_into_left_body(),
            Some(reply) => reply.map_into_right_body(),
        };
        ServiceResponse::new(request, response)
    }

    /// The failure that replaces `response`; if there is none, completes the headers of `response`.
    fn instead_of<B>(&self, response: &mut HttpResponse<B>) -> Option<HttpResponse<BoxBody>> {
        let rejected = response.extensions_mut().remove::<Rejected>();
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let answer = self.session.answer(self.outcome.error(), rejected.as_ref(), self.method.as_str(), path);
        let Some((reply, error)) = answer else {
            self.put_headers(response);
            return None;
        };
        let mut reply = into_response(reply);
        reply.extensions_mut().insert(error);
        self.put_headers(&mut reply);
        Some(reply)
    }

    fn put_headers<B>(&self, response: &mut HttpResponse<B>) {
        let headers = response.headers_mut();
        if let Some(value) = self.outcome.cache_control(headers.contains_key(CACHE_CONTROL)) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        if let Some(name) = self.outcome.vary(headers.get_all(VARY).map(HeaderValue::as_bytes)) {
            headers.append(VARY, HeaderValue::from_static(name));
        }
        if let Some(Ok(mut token)) = self.outcome.bearer_token().map(HeaderValue::try_from) {
            token.set_sensitive(true);
            headers.insert(HeaderName::from_static(Outcome::BEARER_HEADER), token);
        }
        for value in self.outcome.set_cookies(&self.url()).into_iter().flat_map(HeaderValue::try_from) {
            headers.append(SET_COOKIE, value);
        }
    }

    fn url(&self) -> RequestUrl<'_> {
        let in_header = || self.host.as_ref().and_then(|host| host.to_str().ok());
        RequestUrl::new(self.uri.host().or_else(in_header), self.uri.path()).with_transport(self.transport)
    }
}

fn transport(session: &LazySession, request: &ServiceRequest) -> Transport {
    let (uri, header) = (request.uri(), |name| request.headers().get(name).map(HeaderValue::as_bytes));
    let scheme = if request.app_config().secure() { Some("https") } else { uri.scheme_str() };
    let host = || header("host").and_then(|host| std::str::from_utf8(host).ok());
    session.transport(scheme, uri.host().or_else(host), header)
}
