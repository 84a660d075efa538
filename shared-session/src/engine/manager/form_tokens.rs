//! The form tokens of a request: made for its page, and checked when a form is posted.

use serde::de::DeserializeOwned;

use crate::{
    csrf::{
        TokenRefusal,
        form::{FormToken, PostedForm, RefusedForm},
        token::FormTokens,
    },
    engine::{
        core::Core, draft::Loaded, manager::SessionManager, outcome::CookieAction, request::State,
        session::lazy::LazySession,
    },
    error::{Error, ErrorKind},
    record::id::Token,
};

impl SessionManager {
    /// The tokens of HTML forms, which the extractors `FormToken` and `ProtectedForm` of the adapters make and check.
    /// Default: off; these extractors then fail with [`ErrorKind::Config`] (500).
    ///
    /// The response to a sign-in renews them. The session layer sends their cookie when it is needed.
    ///
    /// ```
    /// use shared_session::{SecretKeys, SessionManager, csrf::FormTokens, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
    /// let field = manager.open([]).form_token()?.input();
    /// assert!(field.starts_with(r#"<input type="hidden" name="csrfmiddlewaretoken" value=""#));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_form_tokens(self, tokens: FormTokens) -> Self {
        self.with(|core| core.forms = Some(tokens))
    }
}

impl LazySession {
    /// The token for all forms of the response page; each call returns the same one. No I/O. Costs one HMAC, and before
    /// a session exists up to two more and one for each fallback key.
    ///
    /// The response gets `Vary: Cookie` and, unless the handler sets another value, `Cache-Control: private`; if it
    /// sets the token's cookie, `no-store`. A token made in a request that signs a user in is stale when it comes back:
    /// respond to a sign-in with a redirect. A page that may start a session loads the session first: otherwise the
    /// token is bound to the cookie that was sent, even if its session has expired.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without [`SessionManager::with_form_tokens`]. [`ErrorKind::Closed`] after the response was
    /// decided, and for a reopened session. [`ErrorKind::Unavailable`] if the system provides no random bytes.
    pub fn form_token(&self) -> Result<FormToken, Error> {
        self.form_token_of(self.0.core.form_tokens()?)
    }

    /// As [`form_token`](Self::form_token), with `tokens` instead of those of the manager: the same tokens with another
    /// [path of the cookie](FormTokens::with_cookie), for a service that is reachable under several paths.
    ///
    /// # Errors
    /// As [`form_token`](Self::form_token).
    pub fn form_token_of(&self, tokens: &FormTokens) -> Result<FormToken, Error> {
        let inner = &*self.0;
        let mut shared = inner.shared();
        if shared.has_ended() || inner.is_reopened() {
            return Err(Error::new(ErrorKind::Closed, "a form token was requested, but no response can carry it"));
        }
        if let Some(token) = shared.forms.token() {
            return Ok(FormToken::new(token));
        }
        let session = match (&shared.state, &shared.cookie) {
            // The visitor's cookie opens no session, or this request has signed out: as before a session exists.
            (State::Open(open), _) if matches!(open.draft.base, Loaded::Nothing { .. }) => None,
            (_, CookieAction::Set(token, _)) => Some(token),
            _ => inner.presented(),
        };
        let issued = tokens.issue([inner.cookie_header()], session.map(binding).as_deref())?;
        Ok(FormToken::new(shared.forms.keep(issued)))
    }

    /// Checks the token of a posted form, whatever its encoding: for multipart forms, and for adapters. No I/O, with
    /// one exception: if the page was made before a session existed and its form is posted in an anonymous session, the
    /// session is loaded. A request with a [bearer token](SessionManager::with_bearer_tokens) and without any cookie
    /// needs no form token, because no browser sends it by itself.
    ///
    /// # Errors
    /// [`ErrorKind::StaleForm`] if the token is missing, malformed, of another session, or of an earlier secret, or if
    /// the cookie that it needs is missing; [`TokenRefusal::of`] returns the reason. Show the form again with a new
    /// token. [`ErrorKind::Config`] without [`SessionManager::with_form_tokens`]. Also the errors of
    /// [`load`](Self::load).
    pub async fn check_form_token(&self, token: &str) -> Result<(), Error> {
        let (tokens, headers) = (self.0.core.form_tokens()?, || [self.0.cookie_header()]);
        self.0.carrier().check()?;
        if self.0.needs_no_form_token() {
            return Ok(());
        }
        let Some(session) = self.0.presented() else { return tokens.verify(headers(), None, token) };
        match tokens.verify(headers(), Some(&binding(session)), token) {
            // The session began after the page was made, possibly by the page itself. Accepted if it is not signed in.
            Err(error)
                if TokenRefusal::of(&error) == Some(TokenRefusal::Stale)
                    && tokens.verify(headers(), None, token).is_ok() =>
            {
                if self.load().await?.identity()?.is_none() {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            other => other,
        }
    }

    /// The fields of a form as browsers send it, if its token is valid for this visitor. For adapters: `ProtectedForm`
    /// does nothing else. Costs as much as [`check_form_token`](Self::check_form_token).
    ///
    /// # Errors
    /// In [`RefusedForm::error`]: the errors of [`check_form_token`](Self::check_form_token), with the fields if they
    /// can be read; [`ErrorKind::NotAForm`] and [`ErrorKind::MalformedForm`] if they cannot.
    pub async fn protected_form<T: DeserializeOwned>(&self, posted: PostedForm<'_>) -> Result<T, RefusedForm<T>> {
        let fields = posted.parse()?;
        match (self.check_form_token(fields.token).await, fields.decode()) {
            (Ok(()), fields) => Ok(fields?),
            (Err(error), fields) if error.kind() == ErrorKind::StaleForm => {
                Err(RefusedForm { error, fields: fields.ok() })
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

impl Core {
    fn form_tokens(&self) -> Result<&FormTokens, Error> {
        self.forms
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Config, "form tokens are off; add SessionManager::with_form_tokens"))
    }
}

/// The session data to which a form token is bound: the handle, and the hash of the secret.
fn binding(token: &Token) -> String {
    format!("{}.{}", token.handle, token.secret.hash().as_str())
}
