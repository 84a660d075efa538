//! The service that refuses unsafe requests from other sites.

use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tower_service::Service;

use crate::{
    csrf::{CrossOriginCheck, Refused},
    tower::{ResponseBody, cross_origin::CrossOriginFuture, into_response},
};

/// The service of [`CrossOriginLayer`](super::CrossOriginLayer).
#[derive(Clone, Debug)]
pub struct CrossOriginService<S> {
    pub(super) inner: S,
    pub(super) check: CrossOriginCheck,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tower::{Layer, ServiceExt};

    use super::*;
    use crate::{
        csrf::CrossOrigin,
        engine::manager::SessionManager,
        error::ErrorKind,
        reply::{Failure, OnError, Reply},
        store::MemoryStore,
        tower::{CrossOriginLayer, layer::SessionLayer},
    };

    const OWN: &str = "http://localhost:8000";

    fn layer() -> CrossOriginLayer {
        CrossOriginLayer::new(CrossOrigin::new([OWN]).unwrap())
    }

    /// The response to a request with `headers`, and how often the inner service was called.
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
