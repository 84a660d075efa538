//! The form tokens of a request: made for its page, and checked where a form comes back.

use serde::de::DeserializeOwned;

use crate::{
    csrf::{
        TokenRefusal,
        form::{FormToken, PostedForm, RefusedForm},
        token::FormTokens,
    },
    engine::{core::Core, manager::SessionManager, outcome::CookieAction, session::lazy::LazySession},
    error::{Error, ErrorKind},
    record::id::Token,
};

impl SessionManager {
    /// The tokens of HTML forms: what the extractors `FormToken` and `ProtectedForm` of the adapters give and check.
    /// Default: none, and these extractors fail with [`ErrorKind::Config`] (500).
    ///
    /// The answer to a sign-in renews them. Where their cookie is needed, the session layer sends it.
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
    /// The token for all forms of the page that answers this request: always the same one. No I/O; one HMAC, and before
    /// a session exists up to two more and one for each fallback key.
    ///
    /// The answer gets `Vary: Cookie` and, unless the handler says otherwise, `Cache-Control: private`; with a cookie
    /// of the token `no-store`. A token of a request that signs somebody in is too old when it comes back: answer a
    /// sign-in with a redirect.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without [`SessionManager::with_form_tokens`]. [`ErrorKind::Closed`] after the response was
    /// decided, and for a reopened session. [`ErrorKind::Unavailable`] if the system provides no random bytes.
    pub fn form_token(&self) -> Result<FormToken, Error> {
        self.form_token_of(self.0.core.form_tokens()?)
    }

    /// As [`form_token`](Self::form_token), by `tokens` instead of those of the manager: the same tokens with another
    /// [path of the cookie](FormTokens::with_cookie), for a service that visitors see under several paths.
    ///
    /// # Errors
    /// As [`form_token`](Self::form_token).
    pub fn form_token_of(&self, tokens: &FormTokens) -> Result<FormToken, Error> {
        let inner = &*self.0;
        let mut shared = inner.shared();
        if shared.has_ended() || inner.is_reopened() {
            return Err(Error::new(ErrorKind::Closed, "a form token was asked for that no response can carry"));
        }
        if let Some(token) = shared.forms.token() {
            return Ok(FormToken::new(token));
        }
        let session = match &shared.cookie {
            CookieAction::Set(token, _) => Some(token),
            _ => inner.presented(),
        };
        let issued = tokens.issue([inner.cookie_header()], session.map(binding).as_deref())?;
        Ok(FormToken::new(shared.forms.keep(issued)))
    }

    /// Checks the token that a form brought, whatever its encoding: for multipart forms, and for those who write an
    /// adapter. No I/O, but for a page from before a session existed whose form is sent in an anonymous one: then the
    /// session is loaded. A request with a [bearer token](SessionManager::with_bearer_tokens) and without any cookie
    /// needs none, because no browser sends it by itself.
    ///
    /// # Errors
    /// [`ErrorKind::StaleForm`] if the token is missing, malformed, of another session, or of an earlier secret, or if
    /// the cookie that it needs is missing; [`TokenRefusal::of`] tells which. Show the form again with a new token.
    /// [`ErrorKind::Config`] without [`SessionManager::with_form_tokens`]. Those of [`load`](Self::load).
    pub async fn check_form_token(&self, token: &str) -> Result<(), Error> {
        let (tokens, headers) = (self.0.core.form_tokens()?, || [self.0.cookie_header()]);
        self.0.carrier().check()?;
        if self.0.needs_no_form_token() {
            return Ok(());
        }
        let Some(session) = self.0.presented() else { return tokens.verify(headers(), None, token) };
        match tokens.verify(headers(), Some(&binding(session)), token) {
            // A session that began after the page was made, and not by a sign-in: the page itself may have begun it.
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

    /// The fields of a form as browsers send it, if it came from a page that this visitor has now. For those who write
    /// an adapter: `ProtectedForm` does nothing else. Costs as much as [`check_form_token`](Self::check_form_token).
    ///
    /// # Errors
    /// In [`RefusedForm::error`]: those of [`check_form_token`](Self::check_form_token), with the fields, if they can
    /// be read; [`ErrorKind::NotAForm`] and [`ErrorKind::MalformedForm`] if they cannot.
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
        self.forms.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Config, "there are no form tokens; add SessionManager::with_form_tokens")
        })
    }
}

/// What a form token is bound to: the handle, and the hash of the secret.
fn binding(token: &Token) -> String {
    format!("{}.{}", token.handle, token.secret.hash().as_str())
}
