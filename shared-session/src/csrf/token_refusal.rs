//! Why a form token was refused.

use std::{error::Error as StdError, fmt};

use crate::error::{Error, ErrorKind};

/// The reason why a form was refused: the source of an [`ErrorKind::StaleForm`].
///
/// No reason means that another site made the request; [`CrossOrigin`](super::CrossOrigin) detects that. A service may
/// safely show the form again, with a new token and the typed text, but without passwords.
///
/// ```
/// use shared_session::{SecretKeys, SessionManager, csrf::{FormTokens, TokenRefusal}, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(FormTokens::new(keys));
/// let token = manager.open([]).form_token()?;
///
/// // A browser that did not keep the cookie of the page.
/// let error = manager.open([]).check_form_token(token.as_str()).await.unwrap_err();
/// assert_eq!(TokenRefusal::of(&error), Some(TokenRefusal::NoCookie));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// The form has no token, or an invalid one.
    Missing,
    /// The browser did not send the cookie that belongs to the token, or sent an unusable one: the visitor signed out
    /// or closed the browser after the page was made, or the browser does not keep the cookies of this service.
    NoCookie,
    /// The token belongs to another session, or to an earlier state of this one: the visitor signed in or out after the
    /// page was made.
    Stale,
}

impl TokenRefusal {
    /// The reason in `error`, if it is a refused form.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    pub(crate) fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::StaleForm, "a form was refused").with_source(self);
        match self {
            Self::NoCookie => error.with_public_message(
                "Your browser did not send the cookie for this page. Please reload the page and try again.",
            ),
            Self::Missing => {
                error.with_public_message("The form's security token is missing. Please reload the page and try again.")
            }
            Self::Stale => error,
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the form token is missing or malformed",
            Self::NoCookie => "the cookie of the form token is missing or not valid",
            Self::Stale => "the form token is not that of this session",
        })
    }
}

impl StdError for TokenRefusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_for_a_refused_form_names_what_is_missing() {
        let told = |refusal: TokenRefusal| refusal.into_error().public_message();
        assert!(told(TokenRefusal::NoCookie).starts_with("Your browser did not send the cookie for this page."));
        assert!(told(TokenRefusal::Missing).starts_with("The form's security token is missing."));
        assert_eq!(told(TokenRefusal::Stale), ErrorKind::StaleForm.public_message());
    }
}
