//! The layer that lets only certain users pass.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, request::Parts};
use shared_session::{
    Rejected, Reply,
    tower::{ResponseBody, into_response},
    users::Guard,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Rejection, Session};

/// Lets only signed-in visitors reach the routes inside. Others get 401, or the [login page](GuardLayer::redirect_to).
/// 503 if the store or the database fails.
///
/// Pass it to `Router::route_layer`, so that an unknown path stays a 404, and put the
/// [`SessionLayer`](crate::SessionLayer) around that router. The user is read once: a handler can take
/// [`CurrentUser`](crate::CurrentUser) without further cost.
///
/// ```
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use shared_session::{SessionManager, store::MemoryStore};
/// # use shared_session::{SecretKeys, users::SqlUsers};
/// use shared_session_axum::{SessionLayer, login_required};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let users = SqlUsers::connect("sqlite::memory:").await?;
/// # let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let account = Router::new()
///     .route("/account", get(async || "yours"))
///     .route_layer(login_required().redirect_to("/login"));
/// let app = Router::new()
///     .route("/", get(async || "everybody's"))
///     .merge(account)
///     .layer(SessionLayer::new(SessionManager::new(MemoryStore::new()).with_users(users, keys)));
///
/// let response = app.clone().oneshot(Request::get("/").body(Body::empty())?).await?;
/// assert_eq!(response.status(), 200);
/// let response = app.oneshot(Request::get("/account?tab=2").body(Body::empty())?).await?;
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers()["location"], "/login?next=/account%3Ftab%3D2");
/// # Ok(()) }
/// ```
#[must_use]
pub fn login_required() -> GuardLayer {
    GuardLayer(Guard::login_required())
}

/// As [`login_required`], but requires `permission`, such as `blog.add_post`: other users get 403. One more round trip
/// to the database, none for superusers, who have every permission.
///
/// ```
/// use axum::{Router, routing::post};
/// use shared_session_axum::require;
///
/// let posts: Router = Router::new().route("/posts", post(async || "published")).route_layer(require("blog.add_post"));
/// # let _ = posts;
/// ```
#[must_use]
pub fn require(permission: impl Into<Arc<str>>) -> GuardLayer {
    GuardLayer(Guard::require(permission))
}

/// As [`login_required`], but requires a sign-in within `max_age`: other visitors get 401, or the [page that asks for
/// the password again](GuardLayer::redirect_to). For operations that a stolen cookie must not allow: a new password or
/// address, the deletion of an account. No further cost.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::post};
/// use shared_session_axum::require_fresh;
///
/// let deletion: Router = Router::new()
///     .route("/account/delete", post(async || "deleted"))
///     .route_layer(require_fresh(Duration::from_secs(600)).redirect_to("/confirm"));
/// # let _ = deletion;
/// ```
#[must_use]
pub fn require_fresh(max_age: Duration) -> GuardLayer {
    GuardLayer(Guard::require_fresh(max_age))
}

/// The layer of [`login_required`], [`require`] and [`require_fresh`].
#[derive(Clone, Debug)]
pub struct GuardLayer(Guard);

impl GuardLayer {
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

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, guard: self.0.clone() }
    }
}

/// The service of [`GuardLayer`].
#[derive(Clone)]
pub struct GuardService<S> {
    inner: S,
    guard: Guard,
}

impl<S, RequestBody, B> Service<Request<RequestBody>> for GuardService<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // Call the instance that reported readiness, not its clone.
        let spare = self.inner.clone();
        let (mut inner, guard) = (mem::replace(&mut self.inner, spare), self.guard.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match check(&guard, &parts).await {
                Ok(()) => Ok(inner.call(Request::from_parts(parts, body)).await?.map(ResponseBody::new)),
                Err(rejected) => {
                    let mut response = into_response(Reply::from(rejected.error()));
                    response.extensions_mut().insert(rejected);
                    Ok(response)
                }
            }
        })
    }
}

async fn check(guard: &Guard, parts: &Parts) -> Result<(), Rejected> {
    let session = Session::load(parts).await.map_err(Rejection::into_rejected)?;
    guard.check(&session).await
}

impl<S> fmt::Debug for GuardService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardService").field("guard", &self.guard).finish_non_exhaustive()
    }
}
