//! The pages for administrators.

use askama::Template;

use super::{Age, Chart, Device, FieldErrors, Layout, Only, Order, SessionFilter, UserFilter, Visitor, When};
use crate::translations::Text;

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
    /// The charts below them.
    pub charts: Vec<Chart>,
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

/// `GET /admin/users?q=&is=&sort=&page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_users.html")]
pub struct AdminUsers {
    /// What every page shows.
    pub layout: Layout,
    /// What was asked for.
    pub filter: UserFilter,
    /// Whether there may be more than were looked at.
    pub incomplete: bool,
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
        format!("/admin/users?{}", self.filter.address())
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
    /// To make a superuser, or to take that away, and to set a password.
    pub secrets: bool,
    /// To change groups and permissions.
    pub rights: bool,
}

impl Allowed {
    fn nothing(self) -> bool {
        !(self.active || self.staff || self.sign_out || self.secrets || self.rights)
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
    /// Permissions, as `app.codename`.
    pub permissions: Vec<String>,
    /// What is wrong with a password that was to be set.
    pub errors: FieldErrors,
    /// Whether it is the one who asks.
    pub is_self: bool,
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
    fn action(&self, what: &str) -> String {
        format!("/admin/users/{}/{what}", self.user.id)
    }

    /// Sessions are not chosen here: one button ends all.
    #[expect(clippy::unused_self, reason = "the table of sessions asks its page")]
    fn picks(&self) -> bool {
        false
    }

    fn path(&self) -> String {
        format!("/admin/users/{}?", self.user.id)
    }

    fn tab(&self) -> &'static str {
        "/admin/users"
    }
}

/// `GET /admin/sessions?user=&address=&age=&cursor=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_sessions.html")]
pub struct AdminSessions {
    /// What every page shows.
    pub layout: Layout,
    /// The sessions of this page.
    pub sessions: Vec<LiveSession>,
    /// Where the next page begins.
    pub next: Option<String>,
    /// What was asked for.
    pub filter: SessionFilter,
}

impl AdminSessions {
    fn may_end_some(&self) -> bool {
        self.sessions.iter().any(|session| session.may_end && !session.device.is_current)
    }

    fn picks(&self) -> bool {
        self.may_end_some()
    }

    fn tab(&self) -> &'static str {
        "/admin/sessions"
    }
}

/// `POST /admin/sessions/revoke`: asks before it does so.
#[derive(Clone, Debug, Template)]
#[template(path = "admin_revoke.html")]
pub struct AdminRevoke {
    /// What every page shows.
    pub layout: Layout,
    /// The sessions that were chosen.
    pub handles: Vec<String>,
}

impl AdminRevoke {
    #[expect(clippy::unused_self, reason = "the tabs ask their page")]
    fn tab(&self) -> &'static str {
        "/admin/sessions"
    }
}

/// `GET /admin/log?page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_log.html")]
pub struct AdminLog {
    /// What every page shows.
    pub layout: Layout,
    /// The entries of this page, the latest first.
    pub entries: Vec<LogRow>,
    /// The page that is shown, from 1.
    pub page: u32,
    /// Whether there are older ones.
    pub has_more: bool,
    /// Whether there is a table to keep them in.
    pub is_kept: bool,
}

impl AdminLog {
    #[expect(clippy::unused_self, reason = "the tabs ask their page")]
    fn tab(&self) -> &'static str {
        "/admin/log"
    }
}

/// Something that a member of staff did.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// When.
    pub at: When,
    /// The name of the member of staff.
    pub staff: String,
    /// What it was.
    pub action: Text,
    /// The user, or the public handle of the session.
    pub subject: String,
    /// The network address of the member of staff, may be empty.
    pub address: String,
}
