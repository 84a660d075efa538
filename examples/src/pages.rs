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
//! | [`Confirm`] | `/confirm` | `password`, `next` |
//! | [`Preferences`] | `/preferences` | `theme`, `language`, `next` |
//! | [`Sessions`] | `/sessions/{handle}/revoke`, `/sessions/revoke-others` | |
//! | [`AdminUser`] | `/admin/users/{id}/active`, `…/staff`, `…/superuser` | `on` (`true` or `false`) |
//! | [`AdminUser`] | `/admin/users/{id}/sign-out` | |
//! | [`AdminUser`] | `/admin/users/{id}/password` | `new_password1`, `new_password2` |
//! | [`AdminRights`], [`AdminRightsAsk`] | `/admin/users/{id}/rights` | `group` and `permission`; or `confirmed`, `add-group`, `remove-group`, `add-permission` and `remove-permission`; any number |
//! | [`AdminGroups`] | `/admin/groups` | `name` |
//! | [`AdminGroup`] | `/admin/groups/{id}/name` | `name` |
//! | [`AdminGroup`] | `/admin/groups/{id}/delete` | |
//! | [`AdminGroup`], [`AdminRightsAsk`] | `/admin/groups/{id}/permissions` | `permission`; or `confirmed`, `add-permission` and `remove-permission`; any number |
//! | [`AdminSessions`], [`AdminRevoke`] | `/admin/sessions/revoke` | `handle`, any number; `confirmed` |
//! | [`AdminUser`], [`AdminSessions`] | `/admin/sessions/{handle}/revoke` | |
//!
//! and all of them with `csrfmiddlewaretoken`. [`AdminUsers`] is asked for with `?q=&is=&sort=&page=`, [`Sessions`],
//! [`AdminUser`] and [`AdminGroups`] with `?page=`, [`AdminSessions`] with `?user=&address=&age=&cursor=`.

mod admin;
mod admin_groups;
mod admin_rights;
mod chart;
mod error;
mod layout;
mod session_filter;
mod session_view;
mod user_filter;

use askama::Template;

pub use self::admin::{
    AdminLog, AdminOverview, AdminRevoke, AdminSessions, AdminUser, AdminUsers, Allowed, Count, LiveSession, LogRow,
    SessionUser, UserRow,
};
pub use self::{
    admin_groups::{AdminGroup, AdminGroups, AllowedGroup, GroupRow},
    admin_rights::{AdminRights, AdminRightsAsk, AskedChange, Choice, Choices},
    chart::{Bar, Chart},
    error::{ErrorPage, RefusedUser},
    layout::{FieldErrors, Layout, SignedIn, Theme, Visitor, When},
    session_filter::{Age, SessionFilter},
    session_view::{EntryView, SessionView},
    user_filter::{Only, Order, UserFilter},
};
use crate::{browsers::browser_name, language::Language, translations::Text};

/// The files that pages load: path, content type, content. They change only with a release.
pub const STATIC_FILES: [(&str, &str, &str); 3] = [
    ("/static/site.css", "text/css; charset=utf-8", include_str!("../static/site.css")),
    ("/static/site.js", "text/javascript; charset=utf-8", include_str!("../static/site.js")),
    ("/static/icon.svg", "image/svg+xml", include_str!("../static/icon.svg")),
];

/// The `Content-Security-Policy` of every page: allows its own files, and forms and calls to this site and
/// `api_origin`.
#[must_use]
pub fn content_security_policy(api_origin: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self' {api_origin}; \
         form-action 'self' {api_origin}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The greeting of the home page if the preference `language` names a language that the pages do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    code: &'static str,
    word: &'static str,
}

impl Greeting {
    const KNOWN: [Self; 5] = [
        Self { code: "de", word: "Willkommen" },
        Self { code: "es", word: "Hola" },
        Self { code: "fr", word: "Bienvenue" },
        Self { code: "ja", word: "ようこそ" },
        Self { code: "pt", word: "Olá" },
    ];

    /// The greeting of this code; `de-AT` is `de`.
    #[must_use]
    pub fn from_preference(code: &str) -> Option<Self> {
        let primary = code.split('-').next().unwrap_or(code);
        Self::KNOWN.into_iter().find(|known| known.code.eq_ignore_ascii_case(primary))
    }
}

/// `GET /`
#[derive(Clone, Debug, Template)]
#[template(path = "home.html")]
pub struct Home {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The session as this service sees it.
    pub view: SessionView,
    /// The chosen language; `None`: the browser decides.
    pub chosen: Option<Language>,
    /// The greeting in a language that the pages do not have.
    pub greeting: Option<Greeting>,
}

/// `GET /login`, and `POST` with a wrong password.
#[derive(Clone, Debug, Template)]
#[template(path = "login.html")]
pub struct Login {
    /// The parts that all pages share.
    pub layout: Layout,
    /// One neutral sentence, whatever the error was.
    pub error: Option<Text>,
    /// The typed value.
    pub username: String,
    /// Whether the box "Keep me signed in on this device" was ticked before.
    pub remember: bool,
    /// The page to go to afterwards; see [`crate::links::safe_next`].
    pub next: String,
    /// Name and password of the demonstration user, if there is one.
    pub demo: Option<(&'static str, &'static str)>,
}

/// `GET /register`, and `POST` with errors.
#[derive(Clone, Debug, Template)]
#[template(path = "register.html")]
pub struct Register {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The errors.
    pub errors: FieldErrors,
    /// The typed value.
    pub username: String,
    /// The typed value.
    pub email: String,
    /// The page to go to afterwards; see [`crate::links::safe_next`].
    pub next: String,
}

/// `GET /preferences`
#[derive(Clone, Debug, Template)]
#[template(path = "preferences.html")]
pub struct Preferences {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The chosen language; `None`: the browser decides.
    pub chosen: Option<Language>,
    /// The page to go back to.
    pub next: String,
}

/// `POST /logout` from an outdated page.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_out.html")]
pub struct SignOut {
    /// The parts that all pages share.
    pub layout: Layout,
}

/// `GET /password`, and `POST` with errors.
#[derive(Clone, Debug, Template)]
#[template(path = "password.html")]
pub struct Password {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The errors.
    pub errors: FieldErrors,
}

/// `GET /confirm`, and `POST` with a wrong password.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm.html")]
pub struct Confirm {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The error.
    pub error: Option<Text>,
    /// The page to go to afterwards; see [`crate::links::safe_next`].
    pub next: String,
}

/// `GET /profile`
#[derive(Clone, Debug, Template)]
#[template(path = "profile.html")]
pub struct Profile {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The name.
    pub username: String,
    /// The e-mail address, may be empty.
    pub email: String,
    /// The registration, if known.
    pub joined: Option<When>,
    /// The sign-in of this session, if known.
    pub signed_in: Option<When>,
    /// Superuser, staff or user.
    pub role: Text,
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
    /// Whether it is the session of this request.
    pub is_current: bool,
    /// Its start.
    pub created: Option<When>,
    /// Its last use.
    pub last_seen: Option<When>,
    /// The client's address.
    pub address: Option<String>,
    /// The browser, by name.
    pub browser: Text,
}

impl Device {
    /// A session; `user_agent` is the `User-Agent` header of its last use.
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
    /// The parts that all pages share.
    pub layout: Layout,
    /// The user's sessions on this page.
    pub devices: Vec<Device>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// The number of pages.
    pub pages: usize,
}

#[cfg(test)]
mod tests;
