//! Form tokens.

mod native;
pub(crate) mod scheme;
mod signed;

use std::sync::Arc;

use crate::{
    cookie::{CookieConfig, SetCookie},
    error::Error,
    keys::SecretKeys,
};
use native::Native;
use scheme::{Issued, TokenScheme};

/// Makes and checks the tokens of HTML forms. Pass them to
/// [`SessionManager::with_form_tokens`](crate::SessionManager::with_form_tokens); pages and handlers of forms then use
/// the extractors `FormToken` and `ProtectedForm` of their adapter.
///
/// - With a session, a token is an HMAC over the session's binding and a nonce, and needs no cookie. The binding
///   changes with the session's secret, so a sign-in or another rotation invalidates every earlier token.
/// - Before a session exists (the login form), a token is an HMAC over the random part of a signed cookie and a nonce:
///   a signed double-submit cookie. Such a token stays valid in a session that starts meanwhile, until a sign-in.
/// - A token of one kind is never valid as the other. Each has a fresh nonce, so that a compressed page does not leak
///   it (BREACH).
/// - Every service with the same keys and cookie name accepts the tokens of the others; earlier keys stay valid as
///   [fallbacks](SecretKeys::with_fallback).
///
/// Services beside a Django site use `FormTokens::django` (feature `django`) instead: its tokens and cookie are
/// Django's.
///
/// Tokens are accepted from a form field or a header only, never from a URL. If a visitor's first two pages are
/// opened at the same moment, they overwrite each other's cookie; one form is then refused until it is reloaded.
/// Without the `__Host-` prefix a sibling domain can plant a cookie of its own, so use
/// [`CrossOrigin`](super::CrossOrigin) too.
///
/// Source: OWASP CSRF Prevention Cheat Sheet, "Synchronizer Token Pattern", "Signed Double-Submit Cookie" and "Possible
/// CSRF Vulnerabilities in Login Forms".
///
/// ```
/// use shared_session::{SecretKeys, SessionManager, csrf::FormTokens, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
/// # let _ = manager;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FormTokens(pub(crate) Arc<dyn TokenScheme>);

impl FormTokens {
    /// Tokens under `keys`. Before a session exists they need a cookie: `__Host-csrf`, `Secure`, `HttpOnly`,
    /// `SameSite=Lax`, `Path=/`, no `Domain`, no `Max-Age`.
    #[must_use]
    pub fn new(keys: SecretKeys) -> Self {
        Self(Arc::new(Native::new(keys)))
    }

    /// Sets the cookie that the tokens need before a session exists. Default: `__Host-csrf`, as in [`FormTokens::new`].
    ///
    /// Choose another name if another service of the host uses that one. Use a cookie without `Secure` if browsers
    /// connect over plain HTTP, where they drop a `Secure` cookie except on `localhost`. If several services share a
    /// host but no keys, give each its own path; otherwise they replace each other's cookie.
    ///
    /// ```
    /// use shared_session::{SecretKeys, cookie::CookieConfig, csrf::FormTokens};
    ///
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let tokens = FormTokens::new(keys).with_cookie(CookieConfig::new("__Secure-csrf").with_path("/accounts"))?;
    /// # let _ = tokens;
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) as for [`CookieConfig::build`], and always for Django's tokens,
    /// whose cookie is fixed at construction.
    pub fn with_cookie(self, cookie: CookieConfig) -> Result<Self, Error> {
        self.0.with_cookie(cookie).map(Self)
    }

    /// The cookie that the response to a sign-in sets. It has a new secret, which invalidates all earlier tokens of
    /// this browser. `None` for tokens of our own: a sign-in changes the session's secret, which has the same effect.
    pub(crate) fn rotate<'a>(
        &self,
        cookie_headers: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<SetCookie>, Error> {
        self.0.rotate(&mut cookie_headers.into_iter())
    }

    /// A token for the forms of one page. Pure; one HMAC, and before a session exists up to two more and one per
    /// fallback key.
    ///
    /// `cookie_headers` are the values of all `Cookie` headers. `session` is the binding of the request's session: a
    /// text that contains its handle and a hash of its secret; `None` before a session exists. Without a session and a
    /// cookie, each call creates another cookie. Conflicting cookies are ignored: a new one is set, and those in other
    /// scopes are expired with it.
    pub(crate) fn issue<'a>(
        &self,
        cookie_headers: impl IntoIterator<Item = &'a [u8]>,
        session: Option<&str>,
    ) -> Result<Issued, Error> {
        self.0.issue(&mut cookie_headers.into_iter(), session)
    }

    /// Checks a posted token. Length and alphabet are checked first, the rest in constant time.
    pub(crate) fn verify<'a>(
        &self,
        cookie_headers: impl IntoIterator<Item = &'a [u8]>,
        session: Option<&str>,
        token: &str,
    ) -> Result<(), Error> {
        self.0.verify(&mut cookie_headers.into_iter(), session, token)
    }
}
