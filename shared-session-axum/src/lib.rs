#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
#[cfg(feature = "users")]
mod guard;
mod rejection;

pub use extract::Session;
#[cfg(feature = "users")]
pub use extract::{CurrentUser, MaybeUser, StaffUser};
#[cfg(feature = "users")]
pub use guard::{GuardLayer, GuardService, login_required, require};
pub use rejection::Rejection;
pub use shared_session::{ErrorKind, SessionLayer, SessionManager};
