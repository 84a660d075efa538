//! What a request presents to open its session.

use crate::{authorization::Authorization, cookie::Sent, record::id::Token};

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
}
