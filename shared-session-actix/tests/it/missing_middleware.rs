//! The message for a developer who forgot the middleware.

use actix_web::{App, test as harness, web};
use shared_session_actix::{CurrentUser, MaybeUser, Session};

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
}
