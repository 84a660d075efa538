//! The two services.

/// The service to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Actix Web, HTML.
    Site,
    /// Axum, JSON.
    Api,
}
