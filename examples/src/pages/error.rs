//! The error page.

use askama::Template;

use super::{Layout, Visitor};
use crate::translations::Text;

/// The page of any error response.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: Text,
    /// The event, in a plain sentence without internal details.
    pub message: Text,
    /// The next step for the visitor.
    pub advice: Text,
    /// Whether to show a link to the login page.
    pub sign_in: bool,
    /// The link to the same page, if a retry may work.
    pub again: Option<String>,
    /// The user who was refused, and the login page that leads back here.
    pub refused_user: Option<RefusedUser>,
}

/// The refused user, who may sign in as another user.
#[derive(Clone, Debug)]
pub struct RefusedUser {
    /// The name.
    pub username: String,
    /// The login page to sign in as another user.
    pub login: String,
}

impl ErrorPage {
    /// The page of `status`; `message` describes the event.
    #[must_use]
    pub fn new(layout: Layout, status: u16, message: Text) -> Self {
        let (title, advice) = match status {
            401 => (Text::new("error-401-title"), Text::new("error-401-advice")),
            403 => (Text::new("error-403-title"), Text::new("error-403-advice")),
            404 => (Text::new("error-404-title"), Text::new("error-404-advice")),
            405 => (Text::new("error-405-title"), Text::new("error-405-advice")),
            409 => (Text::new("error-409-title"), Text::new("error-400-advice")),
            413 => (Text::new("error-413-title"), Text::new("error-413-advice")),
            503 => (Text::new("error-503-title"), Text::new("error-503-advice")),
            400..500 => (Text::new("error-400-title"), Text::new("error-400-advice")),
            _ => (Text::new("error-500-title"), Text::new("error-500-advice")),
        };
        let sign_in = matches!(status, 401 | 500);
        Self { layout, status, title, message, advice, sign_in, again: None, refused_user: None }
    }

    /// Replaces the title and the advice of the status.
    #[must_use]
    pub fn with_advice(mut self, title: Text, advice: Text, sign_in: bool) -> Self {
        (self.title, self.advice, self.sign_in) = (title, advice, sign_in);
        self
    }

    /// Offers a link to try the page again.
    #[must_use]
    pub fn with_again(mut self, again: Option<String>) -> Self {
        self.again = again;
        self
    }

    /// Whether the page to try again is the home page.
    fn is_home(&self) -> bool {
        self.again.as_deref().and_then(|again| again.strip_prefix(self.layout.prefix.as_str())) == Some("/")
    }

    /// Shows the user who was refused.
    #[must_use]
    pub fn with_refused_user(mut self, refused_user: Option<RefusedUser>) -> Self {
        self.refused_user = refused_user;
        self
    }
}
