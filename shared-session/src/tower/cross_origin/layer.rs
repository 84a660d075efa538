//! The layer that refuses unsafe requests from other sites.

use tower_layer::Layer;

use super::CrossOriginService;
use crate::{
    csrf::{CrossOrigin, CrossOriginCheck},
    reply::OnError,
};

/// Applies [`CrossOrigin`] to a Tower service.
///
/// A refused request never reaches the inner service. It gets the reply of a hook, by default a 403 problem+json
/// (RFC 9457). Put the layer outside the session layer, so that a refused request costs no session load, and inside a
/// CORS layer, so that the page of an allowed origin can read the refusal.
///
/// ```
/// use shared_session::{csrf::CrossOrigin, tower::CrossOriginLayer};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let layer = CrossOriginLayer::new(CrossOrigin::new(["https://app.example"])?);
/// let service = layer.layer(tower::service_fn(async |_: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new("done".to_owned()))
/// }));
///
/// let own = Request::post("/").header("origin", "https://app.example").body(())?;
/// assert_eq!(service.clone().oneshot(own).await?.status(), 200);
/// let foreign = Request::post("/").header("origin", "https://evil.example").body(())?;
/// assert_eq!(service.clone().oneshot(foreign).await?.status(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CrossOriginLayer {
    check: CrossOriginCheck,
}

impl CrossOriginLayer {
    /// A layer that accepts the requests that `cross_origin` allows.
    #[must_use]
    pub fn new(cross_origin: CrossOrigin) -> Self {
        Self { check: CrossOriginCheck::new(cross_origin) }
    }

    /// Sets the response to a refused request: a closure, or an [`OnError`]. Default: the hook of the session's manager
    /// if this layer is inside the session layer, else [`Reply::problem`](crate::Reply::problem). Outside of it, pass
    /// `manager.on_error().clone()`, so that one hook handles all failures. The response has the
    /// [`Error`](crate::Error) in its extensions; [`OriginRefusal::of`](crate::csrf::OriginRefusal::of) gives the
    /// reason.
    #[must_use]
    pub fn with_on_error(self, on_error: impl Into<OnError>) -> Self {
        Self { check: self.check.with_on_error(on_error) }
    }
}

impl<S> Layer<S> for CrossOriginLayer {
    type Service = CrossOriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CrossOriginService { inner, check: self.check.clone() }
    }
}
