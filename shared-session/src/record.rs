//! Wire formats: the layout of sessions in the store.
//!
//! A profile defines the key of a session, the bytes under it, and the part of those bytes that identifies a version.
//! It does no I/O. [`Profile::native`] is the format of this library, specified in `docs/wire-format.md`.

pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod entries;
pub(crate) mod expiry;
pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod lifetime;
pub(crate) mod native;
pub(crate) mod previous;
#[cfg(feature = "encryption")]
pub(crate) mod sealed;
pub(crate) mod tag;
pub(crate) mod time;
pub(crate) mod version;
pub(crate) mod wire_format;

use std::sync::Arc;

pub(crate) use content::{Content, Head, Ownership, Record};
pub use identity::Identity;
use native::Native;
#[cfg(feature = "encryption")]
pub use sealed::Sealing;
pub(crate) use wire_format::{Fit, Place, Stamp, WireFormat};

/// The layout of sessions in the store.
///
/// ```
/// let profile = shared_session::Profile::native("shop:");
/// ```
#[derive(Clone, Debug)]
pub struct Profile(pub(crate) Arc<dyn WireFormat>);

impl Default for Profile {
    /// The native profile with the prefix `shared_session:`.
    fn default() -> Self {
        Self::native("shared_session:")
    }
}

impl Profile {
    /// The format of this library. Every key starts with `prefix`: services that share sessions use the same prefix,
    /// others must not.
    #[must_use]
    pub fn native(prefix: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Native::new(prefix.into())))
    }
}
