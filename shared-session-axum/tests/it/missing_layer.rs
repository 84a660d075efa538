//! The message for a developer who forgot the layer.

use axum::{Router, body::Body, http::Request, routing::get};
use shared_session_axum::{CurrentUser, MaybeUser, Session};
use tower::ServiceExt;

#[tokio::test]
async fn without_the_layer_nobody_is_anonymous_and_a_debug_build_says_why() {
    const NAME: &str = "missing_layer::without_the_layer_nobody_is_anonymous_and_a_debug_build_says_why";
    let Some(printed) = http_suite::in_child(NAME) else {
        let app = Router::new()
            .route("/session", get(async |_: Session| "reached"))
            .route("/maybe", get(async |_: MaybeUser| "reached"))
            .route("/option", get(async |_: Option<CurrentUser>| "reached"));
        for path in ["/session", "/maybe", "/option"] {
            let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), 500, "{path}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("SessionLayer"), "internal details in the response");
        }
        return;
    };
    assert_eq!(printed.matches("add SessionLayer").count(), usize::from(cfg!(debug_assertions)), "{printed}");
    assert_eq!(printed.matches("put guards inside of it").count(), usize::from(cfg!(debug_assertions)), "{printed}");
}
