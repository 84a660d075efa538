//! The test app of the suite, on Axum.

use std::net::SocketAddr;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use http_suite::{Account, Accounts, Comment, HOUR, MILLISECOND, PERMISSION, World};
use shared_session::{ClientAddress, LazySession, tower::CrossOriginLayer, users::Users};
use shared_session_axum::{
    CurrentUser, FormRejection, FormToken, MaybeUser, ProtectedForm, Rejection, Session, SessionLayer, StaffUser,
    login_required, require, require_fresh,
};

pub(crate) async fn serve(world: &World) -> String {
    let manager = world.manager();
    let guard = CrossOriginLayer::new(world.cross_origin());
    let bearer = bearer(world).layer(SessionLayer::new(world.bearer_manager()));
    let app = Router::new()
        .nest("/guards", guards())
        .nest("/guarded", Router::new().route("/script", any(script)).layer(guard))
        .route("/script", any(script))
        .route("/swallow", any(swallow))
        .route("/events", get(events))
        .route("/form", get(async |token: FormToken| token.input()).post(form))
        .route("/form/strict", post(async |ProtectedForm(comment): ProtectedForm<Comment>| comment.text))
        .route("/untouched", get(async || "untouched"))
        .route("/me", get(async |user: CurrentUser| user.username.clone()))
        .route("/maybe", get(maybe))
        .route("/staff", get(async |user: StaffUser| user.username.clone()))
        .route("/permission", get(permission))
        .layer(SessionLayer::new(manager))
        .layer(middleware::from_fn(address))
        .route("/bare", get(async |_: Session| "bare"))
        .nest("/own", own_users(world))
        .route("/plain/script", any(script).layer(SessionLayer::new(world.plain_manager())))
        .nest("/bearer", bearer)
        .with_state(world.clone())
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

fn bearer(world: &World) -> Router<World> {
    let guard = CrossOriginLayer::new(world.bearer_cross_origin());
    Router::new()
        .route("/script", any(script))
        .route("/form", post(async |ProtectedForm(comment): ProtectedForm<Comment>| comment.text))
        .route("/untouched", get(async || "untouched"))
        .nest("/guarded", Router::new().route("/script", any(script)).layer(guard))
        .merge(Router::new().route("/page", any(script)).route_layer(login_required().redirect_to("/login")))
}

fn guards() -> Router<World> {
    let behind = |path, guard| Router::new().route(path, any(script)).route_layer(guard);
    behind("/signed-in", login_required())
        .merge(behind("/page", login_required().redirect_to("/login")))
        .merge(behind("/permission", require(PERMISSION)))
        .merge(behind("/fresh", require_fresh(HOUR).redirect_to("/confirm")))
        .merge(behind("/just-now", require_fresh(MILLISECOND).redirect_to("/confirm")))
}

/// Users of the application's own type.
fn own_users(world: &World) -> Router<World> {
    Router::new()
        .route("/login/{name}", get(login))
        .route("/me", get(async |user: CurrentUser<Account>| user.0))
        .route("/maybe", get(async |MaybeUser(user): MaybeUser<Account>| user.map_or("nobody", |user| user.0)))
        .route("/staff", get(async |staff: StaffUser<Account>| staff.0))
        .route(
            "/permission",
            get(async |user: CurrentUser<Account>| Ok::<_, Rejection>(user.require_perm(PERMISSION).await?)),
        )
        .route("/groups", get(async |user: CurrentUser<Account>| Ok::<_, Rejection>(user.groups().await?.concat())))
        .route("/row", get(async |user: Option<CurrentUser>| user.is_some().to_string()))
        .route("/again", get(again))
        .layer(SessionLayer::new(world.own_manager()))
}

async fn login(session: Session, Path(name): Path<String>) -> Result<(), Rejection> {
    Ok(session.login(&Accounts.find(&name).await?.unwrap())?)
}

async fn again(user: CurrentUser<Account>, staff: Option<StaffUser<Account>>) -> Result<&'static str, Rejection> {
    user.session().login(&user)?;
    if let Some(staff) = staff {
        user.session().login(&staff)?;
    }
    Ok(user.0)
}

async fn script(session: Session, State(world): State<World>, headers: HeaderMap) -> Result<Response, Rejection> {
    let output = world.run(&session, headers.get("x-script").map(|script| script.as_bytes())).await?;
    let mut response = Response::builder().status(output.status);
    for (name, value) in output.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Body::from(output.body)).unwrap())
}

async fn events(_: Session, Extension(request): Extension<LazySession>, State(world): State<World>) -> Body {
    Body::from_stream(world.events(&request))
}

async fn form(form: Result<ProtectedForm<Comment>, FormRejection<Comment>>) -> Result<Response, Rejection> {
    match form {
        Ok(ProtectedForm(comment)) => Ok(comment.text.into_response()),
        Err(rejection) => {
            let comment = rejection.into_fields()?;
            Ok((StatusCode::FORBIDDEN, format!("refused: {}", comment.text)).into_response())
        }
    }
}

async fn swallow(session: Result<Session, Rejection>) -> &'static str {
    drop(session);
    "swallowed"
}

async fn maybe(MaybeUser(user): MaybeUser, again: Option<CurrentUser>) -> String {
    assert_eq!(user.as_ref(), again.as_deref().map(|again| &**again));
    user.map_or_else(|| "nobody".into(), |user| user.username)
}

async fn permission(user: CurrentUser) -> Result<String, Rejection> {
    user.require_perm(PERMISSION).await?;
    Ok(user.into_user().username)
}

async fn address(mut request: Request, next: Next) -> Response {
    if let Some(address) = request.headers().get("x-test-address") {
        let address = ClientAddress(address.to_str().unwrap().parse().unwrap());
        request.extensions_mut().insert(address);
    }
    next.run(request).await
}
