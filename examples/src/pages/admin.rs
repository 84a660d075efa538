//! The pages for administrators.

use askama::Template;

use super::{Device, Layout, Visitor, When};
use crate::{text::encoded, translations::Text};

/// One number on the overview.
#[derive(Clone, Debug)]
pub struct Count {
    /// What is counted.
    pub name: Text,
    /// How many; `None` if that cannot be told now.
    pub value: Option<u64>,
    /// What to know about it.
    pub note: Option<Text>,
}

/// `GET /admin/`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_overview.html")]
pub struct AdminOverview {
    /// What every page shows.
    pub layout: Layout,
    /// The numbers.
    pub counts: Vec<Count>,
}

impl AdminOverview {
    fn tab(&self) -> &'static str {
        "/admin/"
    }
}

/// One user, for an administrator.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Text,
    /// The e-mail address, may be empty.
    pub email: String,
    /// Whether the user may sign in.
    pub is_active: bool,
    /// Whether the user may see the admin pages.
    pub is_staff: bool,
    /// Whether the user may do everything.
    pub is_superuser: bool,
    /// When the user last signed in.
    pub last_login: Option<When>,
}

/// `GET /admin/users?q=&page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_users.html")]
pub struct AdminUsers {
    /// What every page shows.
    pub layout: Layout,
    /// What was searched for, may be empty.
    pub query: String,
    /// The page that is shown, from 1.
    pub page: u64,
    /// How many pages there are.
    pub pages: u64,
    /// How many users match.
    pub total: u64,
    /// The users of this page.
    pub users: Vec<UserRow>,
}

impl AdminUsers {
    fn path(&self) -> String {
        format!("/admin/users?q={}&", encoded(&self.query))
    }

    fn tab(&self) -> &'static str {
        "/admin/users"
    }
}

/// A session and its user.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The session.
    pub device: Device,
    /// Its user; `None`: nobody signed in.
    pub user: Option<SessionUser>,
    /// Whether the one who asks may end it.
    pub may_end: bool,
}

/// The user of a session in a list.
#[derive(Clone, Debug)]
pub struct SessionUser {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Text,
}

/// Which buttons the page of a user has.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// To activate or to deactivate.
    pub active: bool,
    /// To make staff, or to take that away.
    pub staff: bool,
    /// To sign out everywhere.
    pub sign_out: bool,
}

impl Allowed {
    fn nothing(self) -> bool {
        !(self.active || self.staff || self.sign_out)
    }
}

/// `GET /admin/users/{id}`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_user.html")]
pub struct AdminUser {
    /// What every page shows.
    pub layout: Layout,
    /// The user.
    pub user: UserRow,
    /// Names of groups.
    pub groups: Vec<String>,
    /// What the one who asks may do to this user.
    pub allowed: Allowed,
    /// The user's sessions on this page.
    pub sessions: Vec<LiveSession>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

impl AdminUser {
    fn path(&self) -> String {
        format!("/admin/users/{}?", self.user.id)
    }

    fn tab(&self) -> &'static str {
        "/admin/users"
    }
}

/// `GET /admin/sessions?cursor=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_sessions.html")]
pub struct AdminSessions {
    /// What every page shows.
    pub layout: Layout,
    /// The sessions of this page.
    pub sessions: Vec<LiveSession>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl AdminSessions {
    fn tab(&self) -> &'static str {
        "/admin/sessions"
    }
}
