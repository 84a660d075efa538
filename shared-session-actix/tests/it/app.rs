//! The test app of the suite, on Actix Web.

use actix_web::{
    App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{HttpServiceFactory, ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{self, Next},
    web,
};
use http_suite::{Account, Accounts, Comment, HOUR, MILLISECOND, PERMISSION, World};
use shared_session::{ClientAddress, LazySession, users::Users};
use shared_session_actix::{
    CrossOriginMiddleware, CurrentUser, FormRejection, FormToken, GuardMiddleware, MaybeUser, ProtectedForm, Rejection,
    Session, SessionMiddleware, StaffUser, login_required, require, require_fresh,
};

pub(crate) async fn serve(world: &World) -> String {
    let (manager, plain, own, world) = (world.manager(), world.plain_manager(), world.own_manager(), world.clone());
    let server = HttpServer::new(move || {
        let guard = CrossOriginMiddleware::new(world.cross_origin());
        App::new()
            .app_data(web::Data::new(world.clone()))
            .route("/bare", web::get().to(async |_: Session| "bare"))
            .service(web::resource("/plain/script").wrap(SessionMiddleware::new(plain.clone())).to(script))
            .service(web::scope("/own").wrap(SessionMiddleware::new(own.clone())).configure(own_users))
            .service(bearer(&world))
            .service(
                web::scope("")
                    .wrap(SessionMiddleware::new(manager.clone()))
                    .wrap(middleware::from_fn(address))
                    .service(behind("/guards/signed-in", login_required()))
                    .service(behind("/guards/page", login_required().redirect_to("/login")))
                    .service(behind("/guards/permission", require(PERMISSION)))
                    .service(behind("/guards/fresh", require_fresh(HOUR).redirect_to("/confirm")))
                    .service(behind("/guards/just-now", require_fresh(MILLISECOND).redirect_to("/confirm")))
                    .service(web::scope("/guarded").wrap(guard).route("/script", web::to(script)))
                    .route("/script", web::to(script))
                    .route("/swallow", web::to(swallow))
                    .route("/events", web::get().to(events))
                    .route("/form", web::get().to(async |token: FormToken| token.input()))
                    .route("/form", web::post().to(form))
                    .route(
                        "/form/strict",
                        web::post().to(async |ProtectedForm(comment): ProtectedForm<Comment>| comment.text),
                    )
                    .route("/untouched", web::get().to(async || "untouched"))
                    .route("/me", web::get().to(async |user: CurrentUser| user.username.clone()))
                    .route("/maybe", web::get().to(maybe))
                    .route("/staff", web::get().to(async |user: StaffUser| user.username.clone()))
                    .route("/permission", web::get().to(permission)),
            )
    })
    .workers(2)
    .disable_signals()
    .h1_allow_half_closed(false)
    .bind("127.0.0.1:0")
    .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}

fn bearer(world: &World) -> impl HttpServiceFactory + use<> {
    web::scope("/bearer")
        .wrap(SessionMiddleware::new(world.bearer_manager()))
        .route("/script", web::to(script))
        .route("/form", web::post().to(async |ProtectedForm(comment): ProtectedForm<Comment>| comment.text))
        .route("/untouched", web::get().to(async || "untouched"))
        .service(behind("/page", login_required().redirect_to("/login")))
        .service(
            web::scope("/guarded")
                .wrap(CrossOriginMiddleware::new(world.bearer_cross_origin()))
                .route("/script", web::to(script)),
        )
}

fn behind(path: &str, guard: GuardMiddleware) -> impl HttpServiceFactory {
    web::scope(path).wrap(guard).route("", web::to(script))
}

/// Users of the application's own type.
fn own_users(config: &mut web::ServiceConfig) {
    config
        .route("/login/{name}", web::get().to(login))
        .route("/me", web::get().to(async |user: CurrentUser<Account>| user.0))
        .route(
            "/maybe",
            web::get().to(async |MaybeUser(user): MaybeUser<Account>| user.map_or("nobody", |user| user.0)),
        )
        .route("/staff", web::get().to(async |staff: StaffUser<Account>| staff.0))
        .route(
            "/permission",
            web::get().to(async |user: CurrentUser<Account>| {
                Ok::<_, Rejection>(user.require_perm(PERMISSION).await.map(|()| "")?)
            }),
        )
        .route(
            "/groups",
            web::get().to(async |user: CurrentUser<Account>| Ok::<_, Rejection>(user.groups().await?.concat())),
        )
        .route("/row", web::get().to(async |user: Option<CurrentUser>| user.is_some().to_string()))
        .route("/again", web::get().to(again));
}

async fn login(session: Session, name: web::Path<String>) -> Result<&'static str, Rejection> {
    session.login(&Accounts.find(&name).await?.unwrap())?;
    Ok("")
}

async fn again(user: CurrentUser<Account>, staff: Option<StaffUser<Account>>) -> Result<&'static str, Rejection> {
    user.session().login(&user)?;
    if let Some(staff) = staff {
        user.session().login(&staff)?;
    }
    Ok(user.0)
}

async fn script(session: Session, world: web::Data<World>, request: HttpRequest) -> Result<HttpResponse, Rejection> {
    let output = world.run(&session, request.headers().get("x-script").map(|script| script.as_bytes())).await?;
    let mut response = HttpResponse::build(StatusCode::from_u16(output.status).unwrap());
    for (name, value) in output.headers {
        response.append_header((name, value));
    }
    Ok(response.body(output.body))
}

async fn events(_: Session, request: web::ReqData<LazySession>, world: web::Data<World>) -> HttpResponse {
    HttpResponse::Ok().streaming(Box::pin(world.events(&request)))
}

async fn form(form: Result<ProtectedForm<Comment>, FormRejection<Comment>>) -> Result<HttpResponse, Rejection> {
    match form {
        Ok(ProtectedForm(comment)) => Ok(HttpResponse::Ok().body(comment.text)),
        Err(rejection) => {
            let comment = rejection.into_fields()?;
            Ok(HttpResponse::Forbidden().body(format!("refused: {}", comment.text)))
        }
    }
}

async fn swallow(session: Option<Session>) -> &'static str {
    drop(session);
    "swallowed"
}

async fn maybe(MaybeUser(user): MaybeUser) -> String {
    user.map_or_else(|| "nobody".into(), |user| user.username)
}

async fn permission(user: CurrentUser) -> Result<String, Rejection> {
    user.require_perm(PERMISSION).await?;
    Ok(user.into_user().username)
}

async fn address(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(address) = request.headers().get("x-test-address") {
        let address = ClientAddress(address.to_str().unwrap().parse().unwrap());
        request.extensions_mut().insert(address);
    }
    next.call(request).await
}
