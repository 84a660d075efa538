//! The cross-origin check as a Tower layer.

use std::{
    fmt,
    future::{self, Future, Ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    csrf::{CrossOrigin, CrossOriginCheck, Refused},
    reply::OnError,
    tower::{ResponseBody, inner, into_response},
};

/// Applies [`CrossOrigin`] to a Tower service.
///
/// A refused request never reaches the inner service. It gets the reply of a hook, by default a 403 problem+json
/// (RFC 9457). Put the layer outside the session layer, so that a refused request costs no session load, and inside a
/// CORS layer, so that the page of an allowed origin can read the refusal.
///
/// ```
/// use shared_session::{csrf::CrossOrigin, tower::CrossOriginLayer};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let layer = CrossOriginLayer::new(CrossOrigin::new(["https://app.example"])?);
/// let service = layer.layer(tower::service_fn(async |_: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new("done".to_owned()))
/// }));
///
/// let own = Request::post("/").header("origin", "https://app.example").body(())?;
/// assert_eq!(service.clone().oneshot(own).await?.status(), 200);
/// let foreign = Request::post("/").header("origin", "https://evil.example").body(())?;
/// assert_eq!(service.clone().oneshot(foreign).await?.status(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossOriginLayer {
    check: CrossOriginCheck,
}

impl CrossOriginLayer {
    /// A layer that lets requests through that `cross_origin` allows.
    #[must_use]
    pub fn new(cross_origin: CrossOrigin) -> Self {
        Self { check: CrossOriginCheck::new(cross_origin) }
    }

    /// The answer to a refused request: a closure, or an [`OnError`]. Default: the hook of the session's manager if
    /// this layer is inside the session layer, else [`Reply::problem`](crate::Reply::problem). Outside of it, pass
    /// `manager.on_error().clone()`, so that one hook answers all failures. The answer has the [`Error`](crate::Error)
    /// in its extensions; [`OriginRefusal::of`](crate::csrf::OriginRefusal::of) gives the reason.
    #[must_use]
    pub fn with_on_error(self, on_error: impl Into<OnError>) -> Self {
        Self { check: self.check.with_on_error(on_error) }
    }
}

impl<S> Layer<S> for CrossOriginLayer {
    type Service = CrossOriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CrossOriginService { inner, check: self.check.clone() }
    }
}

/// The service of [`CrossOriginLayer`].
#[derive(Clone, Debug)]
pub struct CrossOriginService<S> {
    inner: S,
    check: CrossOriginCheck,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CrossOriginService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = CrossOriginFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let refused = self.check.refuse(
            request.method().as_str(),
            request.uri().path_and_query().map_or("", |path| path.as_str()),
            |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes),
        );
        match refused {
            None => CrossOriginFuture::inner(self.inner.call(request)),
            Some(Refused { reply, error, rejected, .. }) => {
                let mut response: Response<ResponseBody<ResBody>> = into_response(reply);
                let extensions = response.extensions_mut();
                extensions.insert(error);
                rejected.map(|rejected| extensions.insert(rejected));
                CrossOriginFuture::refused(response)
            }
        }
    }
}

pin_project! {
    /// The future of [`CrossOriginService`]: the inner service's, or a ready refusal.
    #[must_use = "futures do nothing unless polled"]
    pub struct CrossOriginFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Inner { #[pin] future: F },
        Refused { response: Ready<Response<ResponseBody<B>>> },
    }
}

impl<F, B> CrossOriginFuture<F, B> {
    fn inner(future: F) -> Self {
        Self { state: State::Inner { future } }
    }

    fn refused(response: Response<ResponseBody<B>>) -> Self {
        Self { state: State::Refused { response: future::ready(response) } }
    }
}

impl<F, B, E> Future for CrossOriginFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Inner { future } => future.poll(cx).map_ok(inner),
            StateProj::Refused { response } => Poll::Ready(Ok(ready!(Pin::new(response).poll(cx)))),
        }
    }
}

impl<F, B> fmt::Debug for CrossOriginFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = matches!(self.state, State::Refused { .. });
        f.debug_struct("CrossOriginFuture").field("refused", &refused).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{
        engine::manager::SessionManager,
        error::ErrorKind,
        reply::{Failure, Reply},
        store::MemoryStore,
        tower::session::SessionLayer,
    };

    const OWN: &str = "http://localhost:8000";

    fn layer() -> CrossOriginLayer {
        CrossOriginLayer::new(CrossOrigin::new([OWN]).unwrap())
    }

    /// The answer to a request with `headers`, and how often the inner service was called.
    async fn send(
        layer: CrossOriginLayer,
        method: &str,
        headers: &[(&str, &str)],
    ) -> (Response<ResponseBody<String>>, usize) {
        let calls = AtomicUsize::new(0);
        let service = layer.layer(tower::service_fn(|_: Request<()>| {
            calls.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, std::convert::Infallible>(Response::new("handled".to_owned())))
        }));
        let mut request = Request::builder().method(method).uri("http://host.example/path?query=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        (response, calls.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn an_allowed_request_reaches_the_service_and_a_refused_one_does_not() {
        for (method, headers, allowed) in [
            ("POST", &[][..], true),
            ("POST", &[("sec-fetch-site", "same-origin")], true),
            ("POST", &[("sec-fetch-site", "same-site"), ("origin", OWN)], true),
            ("POST", &[("origin", OWN)], true),
            ("GET", &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], true),
            ("POST", &[("sec-fetch-site", "cross-site"), ("origin", OWN)], false),
            ("DELETE", &[("origin", "null")], false),
            ("POST", &[("origin", OWN), ("origin", OWN)], false),
            ("POST", &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false),
        ] {
            let (response, calls) = send(layer(), method, headers).await;
            assert_eq!(calls, usize::from(allowed), "{method} {headers:?}");
            assert_eq!(response.status(), if allowed { 200 } else { 403 }, "{method} {headers:?}");
            assert_eq!(response.into_body().into_inner().as_deref(), allowed.then_some("handled"));
        }
    }

    #[tokio::test]
    async fn host_and_forwarding_headers_do_not_make_an_origin_allowed() {
        let headers = [
            ("origin", "https://evil.example"),
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=evil.example;proto=https"),
        ];
        assert_eq!(send(layer(), "POST", &headers).await.0.status(), 403);
        assert_eq!(send(layer(), "POST", &[("origin", "http://host.example")]).await.0.status(), 403);
    }

    #[tokio::test]
    async fn a_websocket_handshake_from_a_foreign_page_is_refused() {
        let handshake = |origin| [("upgrade", "websocket"), ("connection", "upgrade"), ("origin", origin)];
        assert_eq!(send(layer(), "GET", &handshake(OWN)).await.0.status(), 200);
        assert_eq!(send(layer(), "GET", &handshake("https://evil.example")).await.0.status(), 403);
    }

    #[tokio::test]
    async fn the_hook_sees_the_request_line_and_makes_the_whole_response() {
        let layer = layer().with_on_error(OnError::new(|failure: &Failure<'_>| {
            assert_eq!(failure.error.kind(), ErrorKind::CrossSite);
            let mut reply = Reply::new(418, "text/plain", format!("{} {}", failure.method, failure.path_and_query));
            reply.headers.push(("x-reason", "cross-site".to_owned()));
            reply
        }));
        let (response, _) = send(layer, "PUT", &[("origin", "null")]).await;
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers()["x-reason"], "cross-site");
        assert_eq!(response.body().as_reply(), Some(&b"PUT /path?query=1"[..]));
    }

    #[tokio::test]
    async fn inside_the_session_layer_the_hook_of_its_manager_answers_unless_the_layer_has_its_own() {
        let manager = SessionManager::new(MemoryStore::new())
            .with_on_error(|failure: &Failure<'_>| Reply::new(418, "text/plain", failure.path_and_query));
        let answer = async |layer: CrossOriginLayer| {
            let inner = tower::service_fn(async |_: Request<()>| {
                Ok::<_, std::convert::Infallible>(Response::new(String::new()))
            });
            let service = SessionLayer::new(manager.clone()).layer(layer.layer(inner));
            let request = Request::post("/path?query").header("origin", "https://evil.example").body(()).unwrap();
            let response = service.oneshot(request).await.unwrap();
            assert!(response.extensions().get::<crate::error::Error>().is_some());
            response.status().as_u16()
        };
        assert_eq!(answer(layer()).await, 418);
        assert_eq!(answer(layer().with_on_error(Reply::problem)).await, 403);
    }

    #[tokio::test]
    async fn the_default_reply_repeats_nothing_of_the_request() {
        let (response, _) = send(layer(), "POST", &[("origin", "https://evil.example")]).await;
        let body = String::from_utf8_lossy(response.body().as_reply().unwrap()).into_owned();
        assert!(!body.contains("evil.example") && !body.contains(OWN), "{body}");
    }

    #[tokio::test]
    async fn the_error_of_the_inner_service_is_kept() {
        #[derive(Debug, PartialEq)]
        struct Broken;
        let service = layer().layer(tower::service_fn(async |_: Request<()>| Err::<Response<String>, _>(Broken)));
        assert_eq!(service.oneshot(Request::new(())).await.unwrap_err(), Broken);
    }
}
