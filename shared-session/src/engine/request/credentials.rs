//! The credentials with which a request opens its session.

use crate::{
    authorization::Authorization,
    cookie::Sent,
    error::{Error, ErrorKind},
    record::id::Token,
};

/// The credentials in a request's headers, after validation of their form.
#[derive(Default)]
pub(crate) struct Credentials {
    /// The token, if it is well-formed and the only value.
    pub(crate) token: Option<Token>,
    /// The well-formed tokens of conflicting cookies, which are ignored.
    pub(crate) rivals: Vec<Token>,
    /// How often the cookie was sent, whatever its values.
    pub(crate) sent: Sent,
    pub(crate) carrier: Carrier,
    /// Whether there was a `Cookie` header, even an empty or malformed one.
    pub(crate) has_cookies: bool,
    /// All cookies that were sent, as one header; empty if form tokens are off.
    pub(crate) header: Box<[u8]>,
}

/// How a request carries its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// In the cookie, or no session at all.
    #[default]
    Cookie,
    /// As a bearer token, well-formed or not.
    Bearer,
    /// In both forms at once, or in several `Authorization` headers: which one is meant is unknown.
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
    /// [`ErrorKind::AmbiguousCredentials`] if the request does not identify one session.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Self::Cookie | Self::Bearer => Ok(()),
            Self::Ambiguous => Err(Error::new(
                ErrorKind::AmbiguousCredentials,
                "a request carries a bearer token and the session cookie, or several Authorization headers",
            )),
        }
    }

    /// The value of `WWW-Authenticate` in a response with `kind` and `status`, where bearer tokens are accepted (RFC
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
