//! The cross-origin check as a Tower layer.

mod future;
mod layer;
mod service;

pub use future::CrossOriginFuture;
pub use layer::CrossOriginLayer;
pub use service::CrossOriginService;
