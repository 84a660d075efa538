#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod cross_origin;
mod extract;
mod form;
#[cfg(feature = "users")]
mod guard;
mod middleware;
mod rejection;
mod reply;
#[cfg(feature = "users")]
mod user;

pub use cross_origin::{CrossOriginMiddleware, CrossOriginService};
pub use extract::Session;
pub use form::{FormRejection, FormToken, ProtectedForm};
#[cfg(feature = "users")]
pub use guard::{GuardMiddleware, GuardService, login_required, require, require_fresh};
pub use middleware::{SessionMiddleware, SessionService};
pub use rejection::Rejection;
pub use shared_session::{ErrorKind, SessionManager};
#[cfg(feature = "users")]
pub use user::{CurrentUser, MaybeUser, StaffUser};
