#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod extract;
mod form;
#[cfg(feature = "users")]
mod guard;
mod rejection;
#[cfg(feature = "users")]
mod user;

pub use extract::Session;
pub use form::{FormRejection, FormToken, ProtectedForm};
#[cfg(feature = "users")]
pub use guard::{GuardLayer, GuardService, login_required, require, require_fresh};
pub use rejection::Rejection;
pub use shared_session::{ErrorKind, SessionLayer, SessionManager};
#[cfg(feature = "users")]
pub use user::{CurrentUser, MaybeUser, StaffUser};
