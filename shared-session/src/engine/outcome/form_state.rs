//! What a request has done with form tokens, and what that means for its response.
//!
//! - A request has one token, for all forms of its page.
//! - The cookie of a token is sent with the answer, whatever the handler makes of the token.
//! - A sign-in renews the tokens of its browser, so that no handler can forget it.

use crate::{
    cookie::SetCookie,
    csrf::token::{FormTokens, scheme::Issued},
};

#[derive(Default)]
pub(crate) struct FormState {
    issued: Option<Issued>,
    /// A sign-in was handed to a commit.
    signs_in: bool,
}

/// What form tokens mean for a response.
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

    /// Keeps what was made for the page; its token.
    pub(crate) fn keep(&mut self, issued: Issued) -> String {
        self.issued.insert(issued).token.clone()
    }

    /// To be called before a commit, which may sign somebody in.
    pub(crate) fn note_commit(&mut self, signs_in: bool) {
        self.signs_in |= signs_in;
    }

    /// What is sent. `is_new`: the answer sets the cookie of a session.
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
