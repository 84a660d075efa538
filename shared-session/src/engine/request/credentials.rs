//! What a request presents to open its session.

use crate::{
    authorization::Authorization,
    cookie::Sent,
    error::{Error, ErrorKind},
    record::id::Token,
};

/// What a request's headers say, as far as they can be trusted.
#[derive(Default)]
pub(crate) struct Credentials {
    /// The well-formed token, if it was the only value.
    pub(crate) token: Option<Token>,
    /// The well-formed ones of several cookies: none of them counts.
    pub(crate) rivals: Vec<Token>,
    /// How often the cookie was sent, whatever its values.
    pub(crate) sent: Sent,
    pub(crate) carrier: Carrier,
    /// Whether there was a `Cookie` header, whatever is in it.
    pub(crate) has_cookies: bool,
    /// All cookies that were sent, as one header; empty where nobody asks for form tokens.
    pub(crate) header: Box<[u8]>,
}

/// How a request carries its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// In the cookie, or not at all.
    #[default]
    Cookie,
    /// As a bearer token, well-formed or not.
    Bearer,
    /// As both at once, or as several bearer tokens: nobody can say which one is meant.
    Ambiguous,
}

impl Carrier {
    pub(crate) fn of(authorization: Authorization<'_>, cookie: Sent) -> Self {
        match (authorization, cookie) {
            (Authorization::Other, _) => Self::Cookie,
            (Authorization::Bearer(_), Sent::Nothing) => Self::Bearer,
            (Authorization::Bearer(_) | Authorization::Several, _) => Self::Ambiguous,
        }
    }

    /// # Errors
    /// [`ErrorKind::AmbiguousCredentials`] if nobody can say which session the request means.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Self::Cookie | Self::Bearer => Ok(()),
            Self::Ambiguous => Err(Error::new(
                ErrorKind::AmbiguousCredentials,
                "a request carries a bearer token and the session cookie, or several Authorization headers",
            )),
        }
    }

    /// The value of `WWW-Authenticate` in an answer with `kind` and `status`, where bearer tokens are accepted (RFC
    /// 6750, 3).
    pub(crate) fn challenge(self, kind: ErrorKind, status: u16) -> Option<&'static str> {
        match (kind, status, self) {
            (ErrorKind::Unauthenticated, 401, Self::Bearer) => Some(r#"Bearer realm="session", error="invalid_token""#),
            (ErrorKind::Unauthenticated, 401, _) => Some(r#"Bearer realm="session""#),
            (ErrorKind::AmbiguousCredentials, 400, _) => Some(r#"Bearer realm="session", error="invalid_request""#),
            _ => None,
        }
    }
}
