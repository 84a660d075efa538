//! Protection against requests that another site makes in the visitor's browser.
//!
//! - **A request of another site reaches no handler.** It gets a 403.
//! - **No state**: neither the session nor the process stores anything for it.
//! - **A sign-in invalidates every earlier form token.**
//! - **No trust in the request**: allowed origins are settings, never taken from `Host` or `X-Forwarded-Host`.
//!
//! # Example
//!
//! ```
//! use shared_session::csrf::{CrossOrigin, CrossOriginCheck};
//!
//! let check = CrossOriginCheck::new(CrossOrigin::new(["https://app.example"])?);
//! let request = |site: &'static [u8], origin: &'static [u8]| {
//!     check.refuse("POST", "/orders", move |name| match name {
//!         "sec-fetch-site" => Some(site),
//!         "origin" => Some(origin),
//!         _ => None,
//!     })
//! };
//! assert!(request(b"same-site", b"https://app.example").is_none());
//! let refused = request(b"cross-site", b"https://evil.example");
//! assert_eq!(refused.map(|refused| refused.reply.status), Some(403));
//! # Ok::<(), shared_session::Error>(())
//! ```
//!
//! # Concepts
//!
//! There are two independent defences; use both for HTML forms, the first alone for a JSON API.
//!
//! 1. [`CrossOrigin`] looks at the `Sec-Fetch-Site` and `Origin` headers of unsafe requests. It needs no state and no
//!    markup. `CrossOriginLayer` in [`tower`](crate::tower) applies it to a Tower service, `CrossOriginMiddleware` to
//!    Actix Web.
//! 2. [`FormTokens`] makes and checks the hidden field of a form. A token is bound to the session and to its current
//!    secret, so a sign-in invalidates it. Before there is a session, it is bound to a signed cookie. In a Django
//!    deployment the tokens are Django's.
//!
//! # Cookbook
//!
//! - **A form**: in the adapters the extractor `FormToken` for the page, and `ProtectedForm` for the posted form.
//!   Elsewhere [`LazySession::form_token`](crate::LazySession::form_token) and
//!   [`LazySession::protected_form`](crate::LazySession::protected_form).
//! - **A script that posts**: send the token in the header [`FormToken::HEADER`].
//! - **A page that is too old** is [`ErrorKind::StaleForm`](crate::ErrorKind::StaleForm): show the form again.
//!   [`TokenRefusal`] gives the reason; [`OriginRefusal`] gives the reason for refusing another site's request.
//! - **Clients other than browsers**: [`CrossOrigin::with_bearer_tokens`] accepts requests that carry a bearer token
//!   and no cookie; they need no form token.
//! - **A path that another site must post to**, such as a webhook: leave it outside of the layer.
//! - **Your own middleware**: [`CrossOriginCheck`] makes the decision and the response.
//!
//! # What is stored and sent
//!
//! Nothing is stored. Before a session exists, a page with a form sets a cookie, by default `__Host-csrf` with
//! `Secure`, `HttpOnly` and `SameSite=Lax`, until the browser is closed.
//!
//! # What it does not do
//!
//! It cannot protect a handler that changes state on GET or HEAD: keep login, logout and every change on unsafe methods
//! (OWASP ASVS 5.0, 3.5.3). It does not help against scripts of another site that run in your page (XSS). It sends no
//! CORS headers.

mod cross_origin;
mod cross_origin_middleware;
pub(crate) mod form;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub(crate) mod token;
mod token_refusal;

pub use cross_origin::{CrossOrigin, OriginRefusal};
pub use cross_origin_middleware::{CrossOriginCheck, Refused};
pub use form::{FormToken, PostedForm, RefusedForm};
pub use token::FormTokens;
pub use token_refusal::TokenRefusal;
