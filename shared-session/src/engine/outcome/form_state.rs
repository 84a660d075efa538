//! The form tokens of a request, and their effect on its response.
//!
//! - A request has one token for all forms of its page.
//! - The response carries the cookie of a token whether or not the handler uses the token.
//! - A sign-in renews the browser's tokens, so that no handler can forget to.

use crate::{
    cookie::SetCookie,
    csrf::token::{FormTokens, scheme::Issued},
};

#[derive(Default)]
pub(crate) struct FormState {
    issued: Option<Issued>,
    /// A commit with a sign-in has begun.
    signs_in: bool,
}

/// The effect of form tokens on a response.
#[derive(Default)]
pub(crate) struct FormPart {
    /// The response holds a token.
    pub(crate) is_page: bool,
    pub(crate) set_cookie: Option<SetCookie>,
}

impl FormState {
    /// The token of the page, once there is one.
    pub(crate) fn token(&self) -> Option<String> {
        self.issued.as_ref().map(|issued| issued.token.clone())
    }

    /// Keeps the token made for the page, and returns it.
    pub(crate) fn keep(&mut self, issued: Issued) -> String {
        self.issued.insert(issued).token.clone()
    }

    /// Call this before a commit; `signs_in` is whether it signs a user in.
    pub(crate) fn note_commit(&mut self, signs_in: bool) {
        self.signs_in |= signs_in;
    }

    /// The effect on the response. `is_new`: the response sets a session cookie.
    pub(crate) fn part(&self, tokens: &FormTokens, cookie_header: &[u8], is_new: bool) -> FormPart {
        let renewed = if self.signs_in && is_new { tokens.rotate([cookie_header]) } else { Ok(None) };
        let renewed = renewed.unwrap_or_else(|error| {
            tracing::error!(%error, "the form tokens of a browser were not renewed");
            None
        });
        let set_cookie = renewed.or_else(|| self.issued.as_ref().and_then(|issued| issued.set_cookie.clone()));
        FormPart { is_page: self.issued.is_some(), set_cookie }
    }
}
