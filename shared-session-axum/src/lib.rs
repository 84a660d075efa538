#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod rejection;

pub use extract::{CurrentUser, MaybeUser, Session, StaffUser};
pub use rejection::Rejection;
pub use shared_session::{ErrorKind, SessionLayer, SessionManager};
