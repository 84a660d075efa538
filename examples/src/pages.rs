//! The HTML of `site`: one struct per page, one template each in `templates/`.
//!
//! Templates escape every value. The pages work without a script and load nothing from elsewhere, so
//! [`content_security_policy`] can forbid the rest. Forms post to:
//!
//! | form | action | fields |
//! |---|---|---|
//! | sign out, [`SignOut`] | `/logout` | |
//! | [`Login`] | `/login` | `username`, `password`, `next` |
//! | [`Register`] | `/register` | `username`, `email`, `password1`, `password2`, `next` |
//! | [`Password`] | `/password` | `old_password`, `new_password1`, `new_password2` |
//! | [`Sessions`] | `/sessions/{handle}/revoke`, `/sessions/revoke-others` | |
//! | [`AdminUser`] | `/admin/users/{id}/active`, `…/staff` | `on` (`true` or `false`) |
//! | [`AdminUser`] | `/admin/users/{id}/sign-out` | |
//! | [`AdminUser`], [`AdminSessions`] | `/admin/sessions/{handle}/revoke` | |
//!
//! and all of them with `csrfmiddlewaretoken`. [`AdminUsers`] is asked for with `?q=&page=`, [`Sessions`] and [`AdminUser`]
//! with `?page=`, [`AdminSessions`] with `?cursor=`.

mod admin;

use std::ops::Deref;

use askama::Template;

pub use self::admin::{
    AdminOverview, AdminSessions, AdminUser, AdminUsers, Allowed, Count, LiveSession, SessionUser, UserRow,
};
use crate::{
    forms::FieldError,
    prefix::Prefix,
    text::{browser_name, relative_time, rfc3339},
};

/// The files that pages load: path, content type, content. They change with a release only.
pub const STATIC_FILES: [(&str, &str, &str); 3] = [
    ("/static/site.css", "text/css; charset=utf-8", include_str!("../static/site.css")),
    ("/static/site.js", "text/javascript; charset=utf-8", include_str!("../static/site.js")),
    ("/static/icon.svg", "image/svg+xml", include_str!("../static/icon.svg")),
];

/// The `Content-Security-Policy` of every page: its own files, its own forms, and calls to `api_origin`.
#[must_use]
pub fn content_security_policy(api_origin: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src {api_origin}; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// What every page shows.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Who asks.
    pub visitor: Visitor,
    /// The token of every form on the page. May stay empty where there is no form: signed out, without one's own.
    pub csrf_token: String,
    /// The preference `theme`.
    pub theme: Theme,
    /// The origin of `api`, for links and calls.
    pub api_origin: String,
    /// What just happened: "Your password was changed."
    pub notice: Option<String>,
    /// What did not happen: "The page was too old to be used."
    pub alert: Option<&'static str>,
    /// The path under which visitors see the site: in front of every link and form action.
    pub prefix: Prefix,
}

/// Who asks for a page.
#[derive(Clone, Debug, Default)]
pub enum Visitor {
    /// The session could not be read: the page offers neither to sign in nor to sign out.
    #[default]
    Unknown,
    /// Nobody is signed in.
    Anonymous,
    /// This user is signed in.
    SignedIn(SignedIn),
}

/// The user in the header of the page.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The name.
    pub username: String,
    /// Whether to show the way to the admin pages.
    pub is_staff: bool,
}

/// The preference `theme`. Anything but `"light"` and `"dark"` follows the visitor's system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the visitor's system.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The theme of this name.
    #[must_use]
    pub fn from_preference(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    fn name(self) -> &'static str {
        self.attribute().unwrap_or("system")
    }

    fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    fn color_scheme(self) -> &'static str {
        self.attribute().unwrap_or("light dark")
    }
}

/// The preference `language`: in which one the home page greets. Anything unknown is English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language(usize);

impl Language {
    const KNOWN: [(&str, &str, &str); 6] = [
        ("en", "English", "Welcome"),
        ("de", "Deutsch", "Willkommen"),
        ("es", "Español", "Hola"),
        ("fr", "Français", "Bienvenue"),
        ("ja", "日本語", "ようこそ"),
        ("pt", "Português", "Olá"),
    ];

    /// The language of this code; `de-AT` is `de`.
    #[must_use]
    pub fn from_preference(code: &str) -> Self {
        let primary = code.split('-').next().unwrap_or(code);
        Self(Self::KNOWN.iter().position(|(known, ..)| known.eq_ignore_ascii_case(primary)).unwrap_or(0))
    }

    fn all(self) -> impl Iterator<Item = Self> {
        (0..Self::KNOWN.len()).map(Self)
    }

    fn code(self) -> &'static str {
        Self::KNOWN[self.0].0
    }

    fn name(self) -> &'static str {
        Self::KNOWN[self.0].1
    }

    fn greeting(self) -> &'static str {
        Self::KNOWN[self.0].2
    }
}

/// A time, and how long ago that was when the page was made. Both are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The time.
    pub at: i64,
    /// The time of the page.
    pub now: i64,
}

impl When {
    fn rfc3339(self) -> String {
        rfc3339(self.at)
    }

    fn relative(self) -> String {
        relative_time(self.at, self.now)
    }
}

/// What is wrong with a form.
#[derive(Clone, Debug, Default)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    fn has(&self, field: &str) -> bool {
        self.iter().any(|error| error.field == field)
    }
}

impl Deref for FieldErrors {
    type Target = [FieldError];

    fn deref(&self) -> &[FieldError] {
        &self.0
    }
}

/// `GET /`
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub struct Home {
    /// What every page shows.
    pub layout: Layout,
    /// The entry `visits`; `None` without a session.
    pub visits: Option<u64>,
    /// The preference `language`.
    pub language: Language,
}

/// `GET /login`, and `POST` with a wrong password.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct Login {
    /// What every page shows.
    pub layout: Layout,
    /// One neutral sentence, whatever was wrong.
    pub error: Option<&'static str>,
    /// What was typed before.
    pub username: String,
    /// Whether the box "Keep me signed in on this device" was ticked before.
    pub remember: bool,
    /// Where to go afterwards; see [`crate::text::safe_next`].
    pub next: String,
    /// Name and password of the demonstration user, where there is one.
    pub demo: Option<(&'static str, &'static str)>,
}

/// `GET /register`, and `POST` with errors.
#[derive(Clone, Debug, Template)]
#[template(path = "register.html")]
pub struct Register {
    /// What every page shows.
    pub layout: Layout,
    /// What is wrong.
    pub errors: FieldErrors,
    /// What was typed before.
    pub username: String,
    /// What was typed before.
    pub email: String,
    /// Where to go afterwards; see [`crate::text::safe_next`].
    pub next: String,
}

/// `POST /logout` from a page that was too old.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_out.html")]
pub struct SignOut {
    /// What every page shows.
    pub layout: Layout,
}

/// `GET /password`, and `POST` with errors.
#[derive(Clone, Debug, Template)]
#[template(path = "password.html")]
pub struct Password {
    /// What every page shows.
    pub layout: Layout,
    /// What is wrong.
    pub errors: FieldErrors,
}

/// `GET /profile`
#[derive(Clone, Debug, Template)]
#[template(path = "profile.html")]
pub struct Profile {
    /// What every page shows.
    pub layout: Layout,
    /// The name.
    pub username: String,
    /// The e-mail address, may be empty.
    pub email: String,
    /// When the account was made, where known.
    pub joined: Option<When>,
    /// When this session was signed in, where known.
    pub signed_in: Option<When>,
    /// "Superuser", "Staff" or "User".
    pub role: &'static str,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Permissions, as `app.codename`.
    pub permissions: Vec<String>,
}

/// One session, for its owner or an administrator.
#[derive(Clone, Debug)]
pub struct Device {
    /// The public handle of the session; never the cookie's value.
    pub handle: String,
    /// Whether it is the session that asks.
    pub is_current: bool,
    /// When it began.
    pub created: Option<When>,
    /// When it was last used.
    pub last_seen: Option<When>,
    /// The client's address.
    pub address: Option<String>,
    /// The browser, by name.
    pub browser: String,
}

impl Device {
    /// A session; `user_agent` is the `User-Agent` header that it was last used with.
    #[must_use]
    pub fn new(handle: impl Into<String>, created: Option<When>, last_seen: Option<When>, user_agent: &str) -> Self {
        let browser = browser_name(user_agent);
        Self { handle: handle.into(), is_current: false, created, last_seen, address: None, browser }
    }

    fn short_handle(&self) -> &str {
        self.handle.get(..8).unwrap_or(&self.handle)
    }
}

/// `GET /sessions`
#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct Sessions {
    /// What every page shows.
    pub layout: Layout,
    /// The user's sessions on this page.
    pub devices: Vec<Device>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

/// Any answer that is an error.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What every page shows.
    pub layout: Layout,
    /// The HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: &'static str,
    /// What happened, in a plain sentence that names nothing internal.
    pub message: String,
    /// What the visitor can do.
    pub advice: &'static str,
    /// Whether to show the way to the login page.
    pub sign_in: bool,
}

impl ErrorPage {
    /// The page of `status`; `message` says what happened.
    #[must_use]
    pub fn new(layout: Layout, status: u16, message: impl Into<String>) -> Self {
        let (title, advice) = match status {
            401 => ("Please sign in", "Sign in and try again."),
            403 => ("Not allowed", "If you should be allowed to do this, sign in as the user who is."),
            404 => ("Not found", "Check the address, or start from the home page."),
            405 => ("Not possible this way", "Go back and use the button on the page."),
            409 => ("Your session changed", "Go back, reload the page and try again."),
            413 => ("Too large", "Go back and send less."),
            503 => ("Temporarily unavailable", "Wait a moment and try again. If you were signed in, you still are."),
            400..500 => ("The request was not understood", "Go back, reload the page and try again."),
            _ => ("Something went wrong", "Try again. If that does not help, sign in anew."),
        };
        let sign_in = matches!(status, 401 | 500);
        Self { layout, status, title, message: message.into(), advice, sign_in }
    }

    /// Another title and another advice than those of the status.
    #[must_use]
    pub fn with_advice(mut self, title: &'static str, advice: &'static str, sign_in: bool) -> Self {
        (self.title, self.advice, self.sign_in) = (title, advice, sign_in);
        self
    }
}

#[cfg(test)]
mod tests;
