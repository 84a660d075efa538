//! Errors of inner middleware and of handlers, which Actix Web treats differently.

use std::fmt;

use actix_web::{
    App, Error, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorTooManyRequests,
    http::StatusCode,
    middleware::{self, Next},
    test as harness, web,
};
use http_suite::World;
use shared_session_actix::{CurrentUser, ErrorKind, Rejection, Session, SessionMiddleware};

/// The response of an app whose inner middleware calls the handler and then fails with `fail`, rendered as by the
/// server.
async fn answer_of_failing_middleware(world: &World, fail: fn() -> Error, commits: bool) -> HttpResponse {
    let failing = middleware::from_fn(move |request: ServiceRequest, next: Next<BoxBody>| async move {
        let _: ServiceResponse = next.call(request).await?;
        Err::<ServiceResponse, Error>(fail())
    });
    let handler = move |session: Session| async move {
        session.insert("a", &1)?;
        if commits {
            session.commit().await?;
        }
        Ok::<_, Rejection>("done")
    };
    let app = App::new().wrap(failing).wrap(SessionMiddleware::new(world.manager())).route("/", web::get().to(handler));
    let app = harness::init_service(app).await;
    match harness::try_call_service(&app, harness::TestRequest::with_uri("/?page").to_request()).await {
        Ok(_) => panic!("the error was lost"),
        Err(error) => error.error_response(),
    }
}

fn header<'a, B>(response: &'a HttpResponse<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[actix_web::test]
async fn an_error_of_inner_middleware_commits_nothing_and_stays_what_it_is() {
    let world = World::new();
    let response = answer_of_failing_middleware(&world, || ErrorTooManyRequests("slow down"), false).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&response, "vary"), Some("Cookie"));
    assert_eq!(header(&response, "set-cookie"), None);
    assert!(world.memory().is_empty());
}

#[actix_web::test]
async fn a_rejection_of_inner_middleware_is_answered_by_the_hook() {
    let world = World::new();
    let fail = || Rejection::from(ErrorKind::Unauthenticated).into();
    let response = answer_of_failing_middleware(&world, fail, false).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), Some("/login?to=GET:/?page"));
    assert!(world.memory().is_empty());
}

#[actix_web::test]
async fn a_cookie_that_was_committed_is_sent_with_an_error_of_inner_middleware() {
    let world = World::new();
    let response = answer_of_failing_middleware(&world, || ErrorTooManyRequests("slow down"), true).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(header(&response, "set-cookie").is_some());
    assert_eq!(header(&response, "cache-control"), Some("no-store"));
}

/// An error type of an application.
#[derive(Debug)]
enum Wrapped {
    Session(Rejection),
    Teapot,
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error of the application")
    }
}

impl ResponseError for Wrapped {
    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Session(rejection) => rejection.error_response(),
            Self::Teapot => HttpResponse::ImATeapot().body("short and stout"),
        }
    }
}

#[actix_web::test]
async fn an_error_type_of_the_application_passes_rejections_to_the_hook_and_keeps_its_own() {
    let app = App::new()
        .wrap(SessionMiddleware::new(World::new().manager()))
        .route(
            "/session",
            web::get().to(async |_: Session| Err::<String, _>(Wrapped::Session(ErrorKind::Unauthenticated.into()))),
        )
        .route("/own", web::get().to(async |_: Session| Err::<String, _>(Wrapped::Teapot)));
    let app = harness::init_service(app).await;
    let call = async |uri| harness::call_service(&app, harness::TestRequest::with_uri(uri).to_request()).await;

    assert_eq!(header(call("/session?page").await.response(), "location"), Some("/login?to=GET:/session?page"));
    let own = call("/own").await;
    assert_eq!(own.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(header(own.response(), "vary"), Some("Cookie"));
    assert_eq!(own.into_body().try_into_bytes().unwrap(), "short and stout");
}

#[actix_web::test]
async fn a_handler_can_be_called_with_a_session_that_no_request_brought() {
    async fn keep(session: Session) -> Result<&'static str, Rejection> {
        session.insert("theme", "dark")?;
        Ok("kept")
    }
    let session = World::new().manager().open([]).load().await.unwrap();
    assert_eq!(keep(session.clone().into()).await.unwrap(), "kept");
    assert_eq!(session.get::<String>("theme").unwrap().as_deref(), Some("dark"));
}

#[test]
fn the_values_of_extractors_can_move_to_other_threads() {
    fn is_send<T: Send + Sync>() {}
    is_send::<Session>();
    is_send::<CurrentUser>();
    is_send::<Rejection>();
}
