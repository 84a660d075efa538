//! What a request presents to open its session.

use crate::{cookie::Sent, record::id::Token};

/// What a request's cookies say, as far as they can be trusted.
#[derive(Default)]
pub(crate) struct Cookies {
    /// The well-formed cookie, if it was the only value.
    pub(crate) token: Option<Token>,
    /// The well-formed ones of several values: none of them counts.
    pub(crate) rivals: Vec<Token>,
    /// How often the cookie was sent, whatever its values.
    pub(crate) sent: Sent,
    /// All cookies that were sent, as one header; empty where nobody asks for form tokens.
    pub(crate) header: Box<[u8]>,
}
