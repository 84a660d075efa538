//! What Axum alone has: optional extractors, and error types of an application.

use std::borrow::Cow;

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use http_suite::World;
use shared_session::{
    Error, SecretKeys, SessionManager,
    store::MemoryStore,
    testing::Fault,
    users::{AuthUser, Users},
};
use shared_session_axum::{CurrentUser, ErrorKind, MaybeUser, Rejection, Session, SessionLayer, StaffUser};
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
async fn optional_users_are_none_only_for_those_who_are_not_allowed() {
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

/// A user of a type of the application's own.
#[derive(Clone)]
struct Account(&'static str);

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        self.0.into()
    }
    fn encoded_password(&self) -> &str {
        "!"
    }
    fn is_staff(&self) -> bool {
        self.0 == "sue"
    }
}

struct Accounts;

impl Users for Accounts {
    type User = Account;

    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(["ann", "sue"].into_iter().find(|name| *name == id).map(Account))
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find(name).await
    }
}

#[tokio::test]
async fn extractors_carry_the_applications_own_type_of_users() {
    let keys = SecretKeys::new("the secret key of the tests, which is long enough").unwrap();
    let app = Router::new()
        .route(
            "/login/{name}",
            get(async |session: Session, Path(name): Path<String>| {
                session.login(&Accounts.find(&name).await?.unwrap())?;
                Ok::<_, Rejection>(())
            }),
        )
        .route("/me", get(async |user: CurrentUser<Account>| user.0))
        .route("/maybe", get(async |MaybeUser(user): MaybeUser<Account>| user.map_or("nobody", |user| user.0)))
        .route("/staff", get(async |staff: StaffUser<Account>| staff.0))
        .route("/permission", get(async |user: CurrentUser<Account>| user.require_perm("blog.add_post").await))
        .route("/groups", get(async |user: CurrentUser<Account>| Ok::<_, Rejection>(user.groups().await?.concat())))
        .route("/row", get(async |user: Option<CurrentUser>| user.is_some().to_string()))
        .route(
            "/again",
            get(async |user: CurrentUser<Account>, staff: Option<StaffUser<Account>>| {
                user.session().login(&user)?;
                if let Some(staff) = staff {
                    user.session().login(&staff)?;
                }
                Ok::<_, Rejection>(user.0)
            }),
        )
        .layer(SessionLayer::new(SessionManager::new(MemoryStore::new()).with_users(Accounts, keys)));
    let call = async |path: &str, cookie: &str| {
        let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    for name in ["ann", "sue"] {
        let response = call(&format!("/login/{name}"), "").await;
        let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let staff = if name == "sue" { 200 } else { 403 };
        for (path, status) in [
            ("/me", 200),
            ("/maybe", 200),
            ("/staff", staff),
            ("/permission", 403),
            ("/groups", 200),
            ("/row", 500),
            ("/again", 200),
        ] {
            let response = call(path, &cookie).await;
            assert_eq!(response.status(), status, "{name} {path}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            let expected = if path == "/groups" { "" } else { name };
            assert!(status != 200 || body == expected, "{path}: {body:?}");
        }
    }
    assert_eq!(call("/me", "").await.status(), 401);
    assert_eq!(call("/row", "").await.status(), 500, "users of another type are never an anonymous visit");
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
