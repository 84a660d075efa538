//! Protection against requests that another site makes in the visitor's browser.
//!
//! Two independent defences; use both for HTML forms, the first alone for a JSON API.
//!
//! 1. [`CrossOrigin`] looks at the `Sec-Fetch-Site` and `Origin` headers of unsafe requests. It needs no state and no
//!    markup. `CrossOriginLayer` (feature `tower`) applies it to a Tower service.
//! 2. [`FormTokens`] makes and checks the hidden field of a form. A token is bound to the session and to its current
//!    secret, so a sign-in invalidates it. Before there is a session, it is bound to a signed cookie. In a Django
//!    deployment the tokens are Django's. Each adapter has extractors: `FormToken` for the page, `ProtectedForm` for what the page sends.
//!
//! Neither can protect a handler that changes state on GET or HEAD. Keep login, logout and every change on unsafe
//! methods (OWASP ASVS 5.0, 3.5.3).
//!
//! ```
//! use shared_session::csrf::{CrossOrigin, OriginHeaders};
//!
//! let cross_origin = CrossOrigin::new(["https://app.example"])?;
//! let own = OriginHeaders::new("POST", Some(&b"same-site"[..]), Some(&b"https://app.example"[..]));
//! let foreign = OriginHeaders::new("POST", Some(&b"cross-site"[..]), Some(&b"https://evil.example"[..]));
//! assert!(cross_origin.check(own).is_allowed());
//! assert!(!cross_origin.check(foreign).is_allowed());
//! # Ok::<(), shared_session::Error>(())
//! ```

mod check;
pub(crate) mod form;
mod origin;
mod refusal;
pub(crate) mod token;

#[cfg(feature = "tower")]
mod future;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "tower")]
mod service;

pub use check::{CrossOriginCheck, Refused};
pub use form::{FormToken, PostedForm, RefusedForm};
pub use origin::{CrossOrigin, OriginHeaders, Refusal, Verdict};
pub use refusal::TokenRefusal;
pub use token::FormTokens;

#[cfg(feature = "tower")]
pub use future::ResponseFuture;
#[cfg(feature = "tower")]
pub use layer::CrossOriginLayer;
#[cfg(feature = "tower")]
pub use service::CrossOriginService;
