//! The Tower layers around services with any body.

use std::convert::{Infallible, identity};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use shared_session::{
    Error, ErrorKind, LazySession, SessionLayer, SessionManager,
    csrf::CrossOrigin,
    store::MemoryStore,
    testing::{Fault, FaultStore},
    tower::{CrossOriginLayer, grpc},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::MapRequestLayer, util::MapResponseLayer};

fn sessions() -> SessionLayer {
    SessionLayer::new(SessionManager::new(MemoryStore::new()))
}

fn guard() -> CrossOriginLayer {
    CrossOriginLayer::new(CrossOrigin::new(["https://app.example"]).unwrap())
}

/// A body like tonic's: boxed, with trailers, and its own error type.
type TonicBody = UnsyncBoxBody<Bytes, Status>;

#[derive(Debug, PartialEq)]
struct Status;

fn tonic_body(text: &'static str) -> TonicBody {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(trailers))];
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

/// A server's requirements on its service.
fn serves<S, Sent, Answered>(service: S) -> S
where
    S: Service<Request<Sent>, Response = Response<Answered>> + Clone + Send + 'static,
    S::Future: Send,
    Answered: Body<Data = Bytes> + Default + Send + 'static,
{
    service
}

/// A service that stores a value in the session of every request, and responds with `body`.
fn storing<Sent, B: Clone + Send + 'static>(
    body: B,
) -> impl Service<Request<Sent>, Response = Response<B>, Error = Error, Future: Send> + Clone + Send + 'static
where
    Sent: Send + 'static,
{
    tower::service_fn(move |request: Request<Sent>| {
        let (session, body) = (request.extensions().get::<LazySession>().cloned(), body.clone());
        async move {
            session.ok_or(ErrorKind::Config)?.load().await?.insert("a", &1)?;
            Ok(Response::new(body))
        }
    })
}

#[tokio::test]
async fn the_layers_stand_anywhere_in_a_stack() {
    async fn assert_sets_cookie<S, B>(service: S)
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Error> + Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Default + Send + 'static,
        B::Error: std::fmt::Debug,
    {
        let response = serves(service).oneshot(Request::new(Empty::new())).await.unwrap();
        assert!(response.headers().contains_key("set-cookie"));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    }

    fn own<T>() -> MapResponseLayer<fn(T) -> T> {
        MapResponseLayer::new(identity)
    }
    fn request<T>() -> MapRequestLayer<fn(T) -> T> {
        MapRequestLayer::new(identity)
    }
    let text = || storing("done".to_owned());
    let full = || storing(Full::new(Bytes::from("done")));
    assert_sets_cookie(ServiceBuilder::new().layer(sessions()).service(full())).await;
    assert_sets_cookie(ServiceBuilder::new().layer(sessions()).layer(guard()).layer(own()).service(text())).await;
    assert_sets_cookie(ServiceBuilder::new().layer(guard()).layer(sessions()).layer(request()).service(full())).await;
    assert_sets_cookie(ServiceBuilder::new().layer(own()).layer(sessions()).layer(guard()).service(text())).await;
    assert_sets_cookie(ServiceBuilder::new().layer(request()).layer(guard()).layer(sessions()).service(text())).await;
    assert_sets_cookie(ServiceBuilder::new().layer(own()).layer(request()).layer(sessions()).service(full())).await;
}

#[test]
fn a_proxy_may_answer_with_the_body_that_it_receives() {
    let upstream = tower::service_fn(|_: Request<Incoming>| async { Err::<Response<Incoming>, _>(Status) });
    let _ = ServiceBuilder::new().layer(sessions()).layer(guard()).service(upstream);
    fn is_body<S, B: Body<Data = Bytes>>(_: &S)
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
    {
    }
    is_body(&sessions().layer(guard().layer(upstream)));
}

#[tokio::test]
async fn a_plain_hyper_service_has_sessions() {
    let service =
        ServiceBuilder::new().layer(guard()).layer(sessions()).service(storing(Full::new(Bytes::from("done"))));
    let (client, server) = tokio::io::duplex(4096);
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), TowerToHyperService::new(service));
    tokio::spawn(serving);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);

    let stored = sender.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
    assert!(stored.headers().contains_key("set-cookie"));
    assert_eq!(stored.headers()["content-length"], "4", "the size of the inner body is known");
    let foreign = Request::post("/").header("origin", "https://evil.example").body(Empty::new()).unwrap();
    let refused = sender.send_request(foreign).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let length: usize = refused.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes().len(), length);
}

#[tokio::test]
async fn trailers_pass_and_failures_of_grpc_are_status_200() {
    let faults = FaultStore::new(MemoryStore::new());
    let manager = SessionManager::new(faults.clone()).with_on_error(grpc::reply);
    let service = serves(SessionLayer::new(manager).layer(guard().layer(tower::service_fn(
        async |request: Request<TonicBody>| {
            let session = request.extensions().get::<LazySession>().unwrap().load().await;
            let code = match session.and_then(|session| session.insert("a", &1)) {
                Ok(()) => request.headers().get("x-code"),
                Err(_) => None,
            };
            let mut response = Response::new(tonic_body("done"));
            if let Some(code) = code {
                response.headers_mut().insert("grpc-status", code.clone());
            }
            Ok::<_, Infallible>(response)
        },
    ))));
    let call = async |code: Option<&str>, cookie: &str| {
        let request = Request::post("/").header("cookie", cookie);
        let request = code.into_iter().fold(request, |request, code| request.header("x-code", code));
        service.clone().oneshot(request.body(tonic_body("")).unwrap()).await.unwrap()
    };

    let answered = call(None, "").await;
    let cookie = answered.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let body = answered.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "done");

    let refused = call(Some("3"), "").await;
    assert!(refused.headers().contains_key("set-cookie"), "as after a 4xx");
    let failed = call(Some("13"), "").await;
    assert!(!failed.headers().contains_key("set-cookie"), "as after a 5xx");

    faults.fail_next("load", Fault::Refused);
    let down = call(None, &cookie).await;
    assert_eq!((down.status(), &down.headers()["grpc-status"]), (StatusCode::OK, &"14".parse().unwrap()));
    assert!(down.body().is_end_stream(), "nothing but the head");
}

/// Then it is not the request that waits for its own end.
#[tokio::test]
async fn a_handler_that_runs_in_another_task_than_it_was_called_in_may_load_what_it_reopens() {
    let manager = SessionManager::new(MemoryStore::new());
    let mut service = SessionLayer::new(manager).layer(tower::service_fn(|request: Request<()>| async move {
        let lazy = request.extensions().get::<LazySession>().cloned().ok_or(ErrorKind::Config)?;
        let session = lazy.load().await?;
        session.insert("a", &1)?;
        session.commit().await?;
        let again = lazy.reopen().load().await?;
        Ok::<_, Error>(Response::new(again.get::<u8>("a")?.unwrap_or_default().to_string()))
    }));
    let answer = tokio::spawn(service.ready().await.unwrap().call(Request::new(())));
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer).await.expect("it does not hang");
    assert_eq!(answer.unwrap().unwrap().into_body().into_inner().as_deref(), Some("1"));
}

/// A router with sessions inside of an app with the same sessions, and code between both layers.
#[tokio::test]
async fn a_layer_inside_of_one_with_the_same_manager_has_the_same_session() {
    let manager = SessionManager::new(MemoryStore::new());
    let handler = tower::service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await?;
        session.insert("handler", &1)?;
        Ok::<_, Error>(Response::new(format!("{:?}", session.get::<u8>("between")?)))
    });
    let inner = SessionLayer::new(manager.clone()).layer(handler);
    let between = tower::service_fn(move |request: Request<()>| {
        let inner = inner.clone();
        async move {
            let session = request.extensions().get::<LazySession>().ok_or(ErrorKind::Config)?.load().await?;
            session.insert("between", &1)?;
            inner.oneshot(request).await
        }
    });
    let response = SessionLayer::new(manager.clone()).layer(between).oneshot(Request::new(())).await.unwrap();
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let cookie = cookies[0].to_str().unwrap().split(';').next().unwrap().to_owned();
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    assert_eq!(session.names().unwrap(), ["between", "handler"]);
    let body = response.into_body().into_inner().and_then(|body| body.into_inner());
    assert_eq!(body.as_deref(), Some("Some(1)"));
}
