//! The middleware that lets only certain users pass.

use std::{
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    Error,
    body::EitherBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use futures_util::future::LocalBoxFuture;
use shared_session::{Rejected, Reply, users::Guard};

use crate::{Rejection, Session, reply::into_response};

/// Wraps an app, a scope or a resource and lets only signed-in visitors through. Others get 401, or the [login
/// page](GuardMiddleware::redirect_to). 503 if the store or the database fails.
///
/// `wrap` a scope or a resource in it, inside of [`SessionMiddleware`](crate::SessionMiddleware). The user is read
/// once: a handler can take [`CurrentUser`](crate::CurrentUser) without further cost.
///
/// ```
/// use actix_web::{App, test, web};
/// use shared_session::{SessionManager, store::MemoryStore};
/// # use shared_session::{SecretKeys, users::SqlUsers};
/// use shared_session_actix::{SessionMiddleware, login_required};
///
/// # #[actix_web::main] async fn main() -> Result<(), shared_session::Error> {
/// # let users = SqlUsers::connect("sqlite::memory:").await?;
/// # let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys);
/// let account = web::scope("/account")
///     .wrap(login_required().redirect_to("/login"))
///     .route("", web::get().to(async || "yours"));
/// let app = App::new()
///     .wrap(SessionMiddleware::new(manager))
///     .route("/", web::get().to(async || "everybody's"))
///     .service(account);
/// let app = test::init_service(app).await;
///
/// let response = test::call_service(&app, test::TestRequest::with_uri("/").to_request()).await;
/// assert_eq!(response.status(), 200);
/// let response = test::call_service(&app, test::TestRequest::with_uri("/account?tab=2").to_request()).await;
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers().get("location").unwrap(), "/login?next=/account%3Ftab%3D2");
/// # Ok(()) }
/// ```
#[must_use]
pub fn login_required() -> GuardMiddleware {
    GuardMiddleware(Guard::login_required())
}

/// As [`login_required`], but requires `permission`, such as `blog.add_post`: other users get 403. One more round trip
/// to the database, none for superusers, who have every permission.
///
/// ```
/// use actix_web::web;
/// use shared_session_actix::require;
///
/// let posts = web::scope("/posts").wrap(require("blog.add_post")).route("", web::post().to(async || "published"));
/// # let _ = posts;
/// ```
#[must_use]
pub fn require(permission: impl Into<Arc<str>>) -> GuardMiddleware {
    GuardMiddleware(Guard::require(permission))
}

/// As [`login_required`], but requires a sign-in within `max_age`: other visitors get 401, or the [page that asks for
/// the password again](GuardMiddleware::redirect_to). For operations that a stolen cookie must not allow: a new
/// password or address, the deletion of an account. No further cost.
///
/// ```
/// use std::time::Duration;
/// use actix_web::web;
/// use shared_session_actix::require_fresh;
///
/// let guard = require_fresh(Duration::from_secs(10 * 60)).redirect_to("/confirm");
/// let deletion = web::resource("/account/delete").wrap(guard).route(web::post().to(async || "deleted"));
/// # let _ = deletion;
/// ```
#[must_use]
pub fn require_fresh(max_age: Duration) -> GuardMiddleware {
    GuardMiddleware(Guard::require_fresh(max_age))
}

/// The middleware of [`login_required`], [`require`] and [`require_fresh`].
#[derive(Clone, Debug)]
pub struct GuardMiddleware(Guard);

impl GuardMiddleware {
    /// Redirects visitors who are not signed in to `login_page`, a path of this site, with 303 and the requested path
    /// and query in the parameter `next`. Only for GET and HEAD: a redirect would lose a posted body, so other methods
    /// still get 401. Default: no redirect.
    ///
    /// Before a login redirects to `next`, check it with [`safe_next`](shared_session::users::safe_next()): it may lead
    /// to another site.
    #[must_use]
    pub fn redirect_to(self, login_page: impl Into<Arc<str>>) -> Self {
        Self(self.0.redirect_to(login_page))
    }
}

impl<S, B> Transform<S, ServiceRequest> for GuardMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = GuardService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(GuardService { inner: Rc::new(inner), guard: self.0.clone() }))
    }
}

/// The service of [`GuardMiddleware`].
pub struct GuardService<S> {
    inner: Rc<S>,
    guard: Guard,
}

impl<S, B> Service<ServiceRequest> for GuardService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, guard) = (Rc::clone(&self.inner), self.guard.clone());
        Box::pin(async move {
            match check(&guard, &request).await {
                Ok(()) => Ok(inner.call(request).await?.map_into_left_body()),
                Err(rejected) => {
                    let mut response = into_response(Reply::from(rejected.error()));
                    response.extensions_mut().insert(rejected);
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

async fn check(guard: &Guard, request: &ServiceRequest) -> Result<(), Rejected> {
    let session = Session::load(request.request()).await.map_err(Rejection::into_rejected)?;
    guard.check(&session).await
}

impl<S> fmt::Debug for GuardService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardService").field("guard", &self.guard).finish_non_exhaustive()
    }
}
