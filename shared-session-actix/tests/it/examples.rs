//! The programs in `examples/` work as documented.

use std::time::Duration;

use actix_web::{
    App,
    body::MessageBody,
    http::Method,
    test::{self, TestRequest},
    web,
};
use futures_util::{StreamExt, stream};
use http_suite::programs::{self, Opened, Sent, Visitor};
use shared_session::{SessionManager, store::MemoryStore};
use shared_session_actix::SessionMiddleware;

const KEY: &str = "a secret key of at least thirty-two bytes";

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
        .app_data(web::Data::new(Duration::from_millis(5)))
        .configure(crate::programs::sse::routes)
        .wrap(SessionMiddleware::new(manager));
    let app = test::init_service(app).await;
    http_suite::within_limit(programs::sse(browser!(app))).await;
}
