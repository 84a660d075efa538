//! Features of Axum only: optional extractors, and error types of an application.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use http_suite::World;
use shared_session::testing::Fault;
use shared_session_axum::{CurrentUser, ErrorKind, Rejection, Session, SessionLayer, StaffUser};
use tower::ServiceExt;

async fn cookie_of(world: &World, name: &'static str) -> String {
    let user = world.users().named(name).unwrap();
    let app = Router::new()
        .route(
            "/",
            get(async move |session: Session| {
                session.login(&user)?;
                Ok::<_, Rejection>(())
            }),
        )
        .layer(SessionLayer::new(world.manager()));
    let response = app.oneshot(Request::new(Body::empty())).await.unwrap();
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn optional_users_are_none_only_if_access_is_denied() {
    let world = World::new();
    let app = Router::new()
        .route(
            "/",
            get(async |user: Option<CurrentUser>, staff: Option<StaffUser>| {
                format!("{} {}", user.is_some(), staff.is_some())
            }),
        )
        .layer(SessionLayer::new(world.manager()));
    let call = async |cookie: String| {
        let request = Request::get("/").header("cookie", cookie).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let (ann, sue) = (cookie_of(&world, "ann").await, cookie_of(&world, "sue").await);
    assert_eq!(call(String::new()).await, (StatusCode::OK, "false false".into()));
    assert_eq!(call(ann.clone()).await, (StatusCode::OK, "true false".into()));
    assert_eq!(call(sue).await, (StatusCode::OK, "true true".into()));

    world.faults().fail_next("load", Fault::Refused);
    assert_eq!(call(ann.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.users().set_down(true);
    assert_eq!(call(ann).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

/// An error type of an application.
enum Wrapped {
    Session(Rejection),
    Teapot,
}

impl IntoResponse for Wrapped {
    fn into_response(self) -> Response {
        match self {
            Self::Session(rejection) => rejection.into_response(),
            Self::Teapot => StatusCode::IM_A_TEAPOT.into_response(),
        }
    }
}

#[tokio::test]
async fn an_error_type_of_the_application_passes_rejections_to_the_hook_and_keeps_its_own() {
    let app = Router::new()
        .route("/session", get(async |_: Session| Wrapped::Session(ErrorKind::Unauthenticated.into())))
        .route("/own", get(async |_: Session| Wrapped::Teapot))
        .layer(SessionLayer::new(World::new().manager()));
    let call = async |uri| app.clone().oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();

    assert_eq!(call("/session?page").await.headers()["location"], "/login?to=GET:/session?page");
    let own = call("/own").await;
    assert_eq!(own.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(own.headers()["vary"], "Cookie");
}
