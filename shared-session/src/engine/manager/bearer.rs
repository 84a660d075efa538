//! The bearer form of a session: the value of its cookie in an `Authorization` header, for clients other than browsers.
//!
//! - A request carries its session in one form, never in both.
//! - A response carries the value in the form of its request: a header instead of the cookie.
//! - Everything else is the same as with a cookie: the record, the user, the place in lists.

#[cfg(doc)]
use crate::engine::outcome::Outcome;
use crate::{
    cookie::Sent,
    engine::{manager::SessionManager, session::Session},
    error::{Error, ErrorKind},
};

impl SessionManager {
    /// Accepts sessions in the bearer form too: `Authorization: Bearer <token>`, where the token is the value that the
    /// cookie would have, a tag of [signed cookies](Self::with_signed_cookies) included. For mobile and command line
    /// clients. Default: off, because the scripts of a page can read a token but not the cookie.
    ///
    /// To accept them on some routes only, give the layer of these routes a clone of the manager:
    /// `manager.clone().with_bearer_tokens()`.
    ///
    /// # What a client does
    ///
    /// It signs in at a route whose handler calls [`Session::answer_with_bearer`], keeps the value of the response
    /// header [`Session-Token`](Outcome::BEARER_HEADER), and sends it with each request. Whenever a response has that
    /// header again, it carries a new value: after a sign-in, a rotation, a new password, and when a write started a
    /// session. The old value is then invalid. One header serves all these cases, because handlers that are written for
    /// cookies replace the value in either form.
    ///
    /// # What a request says
    ///
    /// | `Authorization` | session cookie | the request |
    /// |---|---|---|
    /// | none, or of other schemes | any | is as without this setting |
    /// | `Bearer`, one space, a token; the scheme in any case | none | is that session's, or anonymous |
    /// | `Bearer` and anything else: nothing, more spaces, a list, other characters, any length | none | is anonymous, and the store is not asked |
    /// | `Bearer` and anything | present, whatever its value | has no session: [`ErrorKind::AmbiguousCredentials`] (400) |
    /// | several headers, one of them `Bearer` | any | the same |
    ///
    /// A request with both is refused rather than one of them preferred, because proxies and services could then see
    /// different users. A request that never loads its session passes, as usual. The token is read from that header
    /// only, never from a URL or a body.
    ///
    /// # What an answer says
    ///
    /// No response to a bearer request sets a cookie, not even the one of form tokens. A response with a new token is
    /// `no-store`. Every response that depends on the session has `Vary: Cookie, Authorization`, also to a request with
    /// a cookie. A 401 has `WWW-Authenticate: Bearer`, with `error="invalid_token"` if a token was sent; a guard that
    /// redirects to a login page answers 401 instead.
    ///
    /// # Requests of other sites
    ///
    /// No browser adds the header by itself, so a request with it and without any cookie needs no form token.
    /// [`CrossOrigin::with_bearer_tokens`](crate::csrf::CrossOrigin::with_bearer_tokens) lets it pass the cross-origin
    /// check, too.
    ///
    /// A request without the header costs only the look for it.
    ///
    /// ```
    /// use shared_session::{Close, Ending, Identity, SessionManager, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// let manager = SessionManager::new(MemoryStore::new()).with_bearer_tokens();
    /// let request = manager.open_request("POST", |_| None);
    /// let session = request.load().await?;
    /// session.login_as(Identity::new("1", "", 0))?;
    /// session.answer_with_bearer()?;
    /// let Close::Commit(commit) = manager.close(&request, Ending::Completed) else { unreachable!() };
    /// let outcome = manager.commit(commit).await;
    /// assert_eq!(outcome.set_cookie(), None);
    ///
    /// let authorization = format!("Bearer {}", outcome.bearer_token().unwrap_or_default());
    /// let values = |name| (name == "authorization").then_some(authorization.as_bytes());
    /// let session = manager.open_request("GET", values).load().await?;
    /// assert_eq!(session.identity()?.map(|user| user.user_id).as_deref(), Some("1"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_bearer_tokens(self) -> Self {
        self.with(|core| core.bearer = true)
    }
}

impl Session {
    /// Sends the session's new value as a [bearer token](SessionManager::with_bearer_tokens) in the response header
    /// [`Session-Token`](Outcome::BEARER_HEADER), and no cookie: for a sign-in that asks for a token. Responses to
    /// requests with a bearer token do this without the call. No I/O; may be called before or after
    /// [`commit`](Self::commit). Call it before the sign-in: if the call fails, earlier edits are still committed
    /// unless the response is a 5xx.
    ///
    /// # Errors
    /// [`ErrorKind::AmbiguousCredentials`] if the request carries the session cookie: scripts must not learn the value
    /// that the browser hides from them. [`ErrorKind::Config`] without [`SessionManager::with_bearer_tokens`].
    /// [`ErrorKind::Closed`] after the response was decided, and in a [reopened](crate::Session::reopen) session.
    pub fn answer_with_bearer(&self) -> Result<(), Error> {
        let inner = &*self.0;
        if !inner.core.bearer {
            return Err(Error::new(ErrorKind::Config, "bearer tokens are off; add SessionManager::with_bearer_tokens"));
        }
        if inner.sent() != Sent::Nothing {
            let message = "a bearer token was asked for by a request that carries the session cookie";
            return Err(Error::new(ErrorKind::AmbiguousCredentials, message)
                .with_public_message("A request for a token must not carry the session cookie."));
        }
        let mut shared = inner.shared();
        if inner.is_reopened() {
            return Err(Error::new(ErrorKind::Closed, "no response can carry the bearer token of a reopened session"));
        }
        shared.state.open()?;
        shared.as_bearer = true;
        Ok(())
    }
}
