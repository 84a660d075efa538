//! The pages for groups.

use askama::Template;

use super::{Choices, FieldErrors, Layout, Visitor};

/// One group in the list.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// The id, for addresses.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The number of its permissions.
    pub permissions: usize,
}

/// `GET /admin/groups?page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_groups.html")]
pub struct AdminGroups {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The groups of this page.
    pub groups: Vec<GroupRow>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// The number of pages.
    pub pages: usize,
    /// Whether the viewer may add a group.
    pub may_add: bool,
    /// The errors in the name of a new group.
    pub errors: FieldErrors,
    /// The typed name of the new group.
    pub typed: String,
}

impl AdminGroups {
    #[expect(clippy::unused_self, reason = "the template of the tabs calls it on every page")]
    fn tab(&self) -> &'static str {
        "/admin/groups"
    }
}

/// The buttons on the page of a group.
#[derive(Clone, Copy, Debug)]
pub struct AllowedGroup {
    /// To give it another name.
    pub rename: bool,
    /// To give it permissions and take them: those that the viewer has.
    pub change: bool,
    /// To delete it.
    pub delete: bool,
}

/// `GET /admin/groups/{id}`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_group.html")]
pub struct AdminGroup {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The id, for addresses.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The number of its members.
    pub members: u64,
    /// All permissions.
    pub apps: Vec<Choices>,
    /// The actions that the viewer may perform.
    pub allowed: AllowedGroup,
    /// The errors in a new name.
    pub errors: FieldErrors,
    /// The name in the field.
    pub typed: String,
}

impl AdminGroup {
    fn action(&self, what: &str) -> String {
        format!("/admin/groups/{}/{what}", self.id)
    }

    fn is_all_free(&self) -> bool {
        self.apps.iter().flat_map(|app| &app.choices).all(|choice| choice.is_free)
    }

    #[expect(clippy::unused_self, reason = "the template of the tabs calls it on every page")]
    fn tab(&self) -> &'static str {
        "/admin/groups"
    }
}
