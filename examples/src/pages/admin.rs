//! The pages for administrators.

use askama::Template;

use super::{Age, Chart, Device, FieldErrors, Layout, Only, Order, SessionFilter, UserFilter, Visitor, When};
use crate::translations::Text;

/// One number on the overview.
#[derive(Clone, Debug)]
pub struct Count {
    /// The name of the number.
    pub name: Text,
    /// The number; `None` if it is not available now.
    pub value: Option<u64>,
    /// A remark on it.
    pub note: Option<Text>,
}

/// `GET /admin/`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_overview.html")]
pub struct AdminOverview {
    /// The parts that all pages share.
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
    /// The last sign-in.
    pub last_login: Option<When>,
}

/// `GET /admin/users?q=&is=&sort=&page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_users.html")]
pub struct AdminUsers {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The filter.
    pub filter: UserFilter,
    /// Whether there may be more users than were read.
    pub incomplete: bool,
    /// The page that is shown, from 1.
    pub page: u64,
    /// The number of pages.
    pub pages: u64,
    /// The number of users that match.
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
    /// Its user; `None`: anonymous.
    pub user: Option<SessionUser>,
    /// Whether the viewer may end it.
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

/// The buttons on the page of a user.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// To activate or to deactivate.
    pub active: bool,
    /// To grant or revoke staff status.
    pub staff: bool,
    /// To sign out everywhere.
    pub sign_out: bool,
    /// To grant or revoke superuser status, and to set a password.
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
    /// The parts that all pages share.
    pub layout: Layout,
    /// The user.
    pub user: UserRow,
    /// Names of groups.
    pub groups: Vec<String>,
    /// Permissions, as `app.codename`.
    pub permissions: Vec<String>,
    /// The errors of a new password.
    pub errors: FieldErrors,
    /// Whether the viewer is this user.
    pub is_self: bool,
    /// The actions that the viewer may perform on this user.
    pub allowed: Allowed,
    /// The user's sessions on this page.
    pub sessions: Vec<LiveSession>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// The number of pages.
    pub pages: usize,
}

impl AdminUser {
    fn action(&self, what: &str) -> String {
        format!("/admin/users/{}/{what}", self.user.id)
    }

    /// Sessions cannot be selected here: one button ends all of them.
    #[expect(clippy::unused_self, reason = "the template of the session table calls it on every page")]
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
    /// The parts that all pages share.
    pub layout: Layout,
    /// The sessions of this page.
    pub sessions: Vec<LiveSession>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// The filter.
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

/// `POST /admin/sessions/revoke`: asks for confirmation first.
#[derive(Clone, Debug, Template)]
#[template(path = "admin_revoke.html")]
pub struct AdminRevoke {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The chosen sessions.
    pub handles: Vec<String>,
}

impl AdminRevoke {
    #[expect(clippy::unused_self, reason = "the template of the tabs calls it on every page")]
    fn tab(&self) -> &'static str {
        "/admin/sessions"
    }
}

/// `GET /admin/log?page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_log.html")]
pub struct AdminLog {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The entries of this page, the latest first.
    pub entries: Vec<LogRow>,
    /// The page that is shown, from 1.
    pub page: u32,
    /// Whether there are older entries.
    pub has_more: bool,
    /// Whether entries are kept in a table.
    pub is_kept: bool,
}

impl AdminLog {
    #[expect(clippy::unused_self, reason = "the template of the tabs calls it on every page")]
    fn tab(&self) -> &'static str {
        "/admin/log"
    }
}

/// An action of a member of staff.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// The time of the action.
    pub at: When,
    /// The name of the member of staff.
    pub staff: String,
    /// The action.
    pub action: Text,
    /// The user, or the public handle of the session.
    pub subject: String,
    /// The network address of the member of staff, may be empty.
    pub address: String,
}
