//! The session layer.

use tower_layer::Layer;

use crate::{engine::manager::SessionManager, tower::SessionService};

/// Gives every request of a Tower service its [`LazySession`](crate::LazySession), as an extension, and commits the
/// edits before the response is sent. Put it around the whole router. The [module](crate::tower) has a program.
///
/// A request without a cookie, or whose handler does not load the session, costs no round trip.
///
/// ```
/// use shared_session::{SessionLayer, SessionManager, store::MemoryStore};
/// use tower::ServiceBuilder;
///
/// let layer = SessionLayer::new(SessionManager::new(MemoryStore::new()));
/// let services = ServiceBuilder::new().layer(layer);
/// # let _ = services;
/// ```
#[doc(alias = "SessionManagerLayer")]
#[derive(Clone, Debug)]
pub struct SessionLayer {
    manager: SessionManager,
}

impl SessionLayer {
    /// A layer for the sessions of `manager`.
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        Self { manager }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, manager: self.manager.clone() }
    }
}
