//! The message for a developer who forgot the middleware.

use actix_web::{App, middleware, test as harness, web};
use shared_session::{SessionManager, store::MemoryStore};
use shared_session_actix::{CurrentUser, MaybeUser, Session, SessionMiddleware};

#[actix_web::test]
async fn without_the_middleware_nobody_is_anonymous_and_a_debug_build_says_why() {
    const NAME: &str = "missing_middleware::without_the_middleware_nobody_is_anonymous_and_a_debug_build_says_why";
    let Some(printed) = http_suite::in_child(NAME) else {
        let app = App::new()
            .route("/session", web::get().to(async |_: Session| "reached"))
            .route("/maybe", web::get().to(async |_: MaybeUser| "reached"))
            .route("/user", web::get().to(async |_: CurrentUser| "reached"));
        let app = harness::init_service(app).await;
        for path in ["/session", "/maybe", "/user"] {
            let response = harness::call_service(&app, harness::TestRequest::with_uri(path).to_request()).await;
            assert_eq!(response.status(), 500, "{path}");
            let body = harness::read_body(response).await;
            assert!(!String::from_utf8_lossy(&body).contains("SessionMiddleware"), "internal details in the response");
        }
        return;
    };
    assert_eq!(printed.matches("SessionMiddleware").count(), usize::from(cfg!(debug_assertions)), "{printed}");
    assert_eq!(printed.matches("put guards inside of it").count(), usize::from(cfg!(debug_assertions)), "{printed}");
}

#[actix_web::test]
async fn a_middleware_inside_of_one_with_another_manager_is_told_once() {
    const NAME: &str = "missing_middleware::a_middleware_inside_of_one_with_another_manager_is_told_once";
    let Some(printed) = http_suite::in_child(NAME) else {
        let middleware = || SessionMiddleware::new(SessionManager::new(MemoryStore::new()));
        let app = App::new()
            .wrap(middleware())
            .service(web::scope("").wrap(middleware()).route("/", web::get().to(async |_: Session| "reached")));
        let app = harness::init_service(app).await;
        for _ in 0..2 {
            let response = harness::call_service(&app, harness::TestRequest::get().to_request()).await;
            assert_eq!(response.status(), 200);
        }
        return;
    };
    assert_eq!(printed.matches("make one SessionManager").count(), usize::from(cfg!(debug_assertions)), "{printed}");
}

/// A scope with sessions inside of an app with the same sessions, and code between both.
#[actix_web::test]
async fn a_middleware_inside_of_one_with_the_same_manager_has_the_same_session() {
    let manager = SessionManager::new(MemoryStore::new());
    let middleware = || SessionMiddleware::new(manager.clone());
    let between = middleware::from_fn(async |session: Session, request, next: middleware::Next<_>| {
        session.insert("between", &1).unwrap();
        next.call(request).await
    });
    let handler = web::get().to(async |session: Session| {
        session.insert("handler", &1).unwrap();
        format!("{:?}", session.get::<u8>("between").unwrap())
    });
    let inner = web::scope("").wrap(middleware()).route("/", handler);
    let app = App::new().service(web::scope("").wrap(between).service(inner)).wrap(middleware());
    let app = harness::init_service(app).await;
    let response = harness::call_service(&app, harness::TestRequest::get().to_request()).await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let cookie = cookies[0].to_str().unwrap().split(';').next().unwrap().to_owned();
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    assert_eq!(session.names().unwrap(), ["between", "handler"]);
    assert_eq!(harness::read_body(response).await, "Some(1)");
}
