//! The programs in `examples/` work as documented.

use std::time::Duration;

use actix_web::{
    App, HttpServer,
    body::MessageBody,
    http::Method,
    test::{self, TestRequest},
    web,
};
use futures_util::{SinkExt, StreamExt, stream};
use http_suite::programs::{self, Opened, Sent, Visitor};
use shared_session::{SessionManager, csrf::CrossOrigin, store::MemoryStore};
use shared_session_actix::SessionMiddleware;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

const KEY: &str = "a secret key of at least thirty-two bytes";
const SOON: Duration = Duration::from_millis(5);

/// A browser for the service `$app`, whose type has no name.
macro_rules! browser {
    ($app:expr) => {{
        let app = &$app;
        Visitor::new(async move |sent: Sent| {
            let request = TestRequest::with_uri(&sent.path)
                .method(Method::from_bytes(sent.method.as_bytes()).unwrap())
                .insert_header(("cookie", sent.cookie))
                .insert_header(("content-type", "application/x-www-form-urlencoded"))
                .set_payload(sent.form);
            let response = test::call_service(app, request.to_request()).await;
            let set_cookies = response.headers().get_all("set-cookie");
            let set_cookies = set_cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
            let status = response.status().as_u16();
            let mut body = Box::pin(response.into_body());
            let body = stream::poll_fn(move |cx| body.as_mut().poll_next(cx)).map(Result::unwrap).boxed_local();
            Opened { status, set_cookies, body }
        })
    }};
}

#[actix_web::test]
async fn counter() {
    let sessions = SessionMiddleware::new(SessionManager::new(MemoryStore::new()));
    let app = test::init_service(App::new().configure(crate::programs::counter::routes).wrap(sessions)).await;
    programs::counter(browser!(app), browser!(app)).await;
}

#[actix_web::test]
async fn forms() {
    let sessions = SessionMiddleware::new(crate::programs::forms::manager(KEY).unwrap());
    let app = test::init_service(App::new().configure(crate::programs::forms::routes).wrap(sessions)).await;
    programs::forms(browser!(app)).await;
}

#[actix_web::test]
async fn login() {
    let manager = crate::programs::login::open("sqlite::memory:", KEY).await.unwrap();
    let sessions = SessionMiddleware::new(manager);
    let app = test::init_service(App::new().configure(crate::programs::login::routes).wrap(sessions)).await;
    programs::login(browser!(app)).await;
}

#[actix_web::test]
async fn sse() {
    let manager = SessionManager::new(MemoryStore::new());
    let app = App::new()
        .app_data(web::Data::new(manager.clone()))
        .app_data(web::Data::new(SOON))
        .configure(crate::programs::sse::routes)
        .wrap(SessionMiddleware::new(manager));
    let app = test::init_service(app).await;
    http_suite::within_limit(programs::sse(browser!(app))).await;
}

#[actix_web::test]
async fn websocket() {
    http_suite::within_limit(websocket_does_what_it_says()).await;
}

async fn websocket_does_what_it_says() {
    let (own, manager) = ("http://localhost:3001", SessionManager::new(MemoryStore::new()));
    let pages = CrossOrigin::new([own]).unwrap();
    let routes =
        move |app: &mut web::ServiceConfig| crate::programs::websocket::routes(app, &manager, pages.clone(), SOON);
    let app = test::init_service(App::new().configure(routes.clone())).await;
    let mut browser = browser!(app);
    assert_eq!(browser.post("/login").await, 200);
    let server = HttpServer::new(move || App::new().configure(routes.clone())).workers(1).disable_signals();
    let server = server.bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/socket", server.addrs()[0]);
    tokio::spawn(server.run());
    let connect = async |cookie: &str, origin: &str| {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        tokio_tungstenite::connect_async(request).await
    };
    assert!(connect("", own).await.is_err(), "no user is signed in");
    assert!(connect(&browser.cookie(), "https://evil.example").await.is_err(), "a page of another site");
    let (mut socket, _) = connect(&browser.cookie(), own).await.unwrap();
    // An answer means that it has loaded the session; between two answers it has checked it.
    for text in ["hello", "hello again", "and again"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
        if text == "hello" {
            assert_eq!(browser.post("/login").await, 200, "the cookie has changed");
        }
    }
    assert_eq!(browser.post("/logout").await, 200);
    assert!(matches!(socket.next().await.unwrap().unwrap(), Message::Close(_)));
}
