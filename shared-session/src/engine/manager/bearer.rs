//! The bearer form of a session: the value of its cookie in an `Authorization` header, for clients that are no
//! browsers.
//!
//! - A request carries its session in one form, never in both.
//! - An answer tells the value in the form of its request: a header instead of the cookie.
//! - All else is the same session: its record, its user, its place in lists.

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
    /// clients. Default: off; the cookie is out of reach of a page's scripts, and a token is not.
    ///
    /// To have it on some routes only, give their layer a clone of the manager: `manager.clone().with_bearer_tokens()`.
    ///
    /// # What a client does
    ///
    /// It signs in where a handler calls [`Session::answer_with_bearer`], keeps the value of the answer's header
    /// [`Session-Token`](Outcome::BEARER_HEADER), and sends it with each request. Whenever an answer has that header
    /// again, the value is a new one: after a sign-in, a rotation, a new password, and when a write started a session.
    /// The old one is then dead. It is one header for all of these, because handlers that are written for cookies
    /// replace the value without knowing how it is carried.
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
    /// Both at once are refused and neither is preferred, because programs on the way and services would differ in who
    /// the user is; a request that never loads its session passes, as ever. A token is read from that header alone,
    /// never from a URL or a body.
    ///
    /// # What an answer says
    ///
    /// No answer to a bearer request sets a cookie, also not that of form tokens. With a new token it is `no-store`.
    /// Every answer that depends on the session has `Vary: Cookie, Authorization`, those to cookies too. A 401 has
    /// `WWW-Authenticate: Bearer`, with `error="invalid_token"` if a token was sent; a guard that leads pages to a
    /// login page answers 401.
    ///
    /// # Requests of other sites
    ///
    /// No browser adds the header by itself, so a request with it and without any cookie needs no form token.
    /// [`CrossOrigin::with_bearer_tokens`](crate::csrf::CrossOrigin::with_bearer_tokens) lets it pass the cross-origin
    /// check, too.
    ///
    /// Costs nothing for a request without the header but one look for it.
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
    /// Has this answer tell the session's new value as a [bearer token](SessionManager::with_bearer_tokens), in the
    /// header [`Session-Token`](Outcome::BEARER_HEADER), and set no cookie: for a sign-in that asks for it. A request
    /// that brought a bearer token is answered so without being asked. No I/O; may be called before or after
    /// [`commit`](Self::commit). Call it before the sign-in: what was edited before an error is committed with an
    /// answer that is no 5xx.
    ///
    /// # Errors
    /// [`ErrorKind::AmbiguousCredentials`] if the request carries the session cookie: what a browser keeps from the
    /// scripts of its pages is not told to them. [`ErrorKind::Config`] without [`SessionManager::with_bearer_tokens`].
    /// [`ErrorKind::Closed`] after the response was decided, and in a [reopened](SessionManager::reopen) session.
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
            return Err(Error::new(ErrorKind::Closed, "no response can tell the token of a reopened session"));
        }
        shared.state.open()?;
        shared.as_bearer = true;
        Ok(())
    }
}
