#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cross_origin;
mod extract;
mod middleware;
mod rejection;
mod reply;

pub use cross_origin::{CrossOriginMiddleware, CrossOriginService};
pub use extract::{CurrentUser, MaybeUser, Session, StaffUser};
pub use middleware::{SessionMiddleware, SessionService};
pub use rejection::Rejection;
pub use shared_session::{ErrorKind, SessionManager};
