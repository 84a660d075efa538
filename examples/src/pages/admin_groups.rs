//! The pages of groups.

use askama::Template;

use super::{Choices, FieldErrors, Layout, Visitor};

/// One group in the list.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// The id, for addresses.
    pub id: i64,
    /// The name.
    pub name: String,
    /// How many permissions it has.
    pub permissions: usize,
}

/// `GET /admin/groups?page=`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_groups.html")]
pub struct AdminGroups {
    /// What every page shows.
    pub layout: Layout,
    /// The groups of this page.
    pub groups: Vec<GroupRow>,
    /// The page that is shown, from 1.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
    /// Whether the one who asks may add one.
    pub may_add: bool,
    /// What is wrong with the name of one that was to be added.
    pub errors: FieldErrors,
    /// That name.
    pub typed: String,
}

impl AdminGroups {
    #[expect(clippy::unused_self, reason = "the tabs ask their page")]
    fn tab(&self) -> &'static str {
        "/admin/groups"
    }
}

/// Which buttons the page of a group has.
#[derive(Clone, Copy, Debug)]
pub struct AllowedGroup {
    /// To give it another name.
    pub rename: bool,
    /// To give it permissions and take them: those that the one who asks has.
    pub change: bool,
    /// To delete it.
    pub delete: bool,
}

/// `GET /admin/groups/{id}`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_group.html")]
pub struct AdminGroup {
    /// What every page shows.
    pub layout: Layout,
    /// The id, for addresses.
    pub id: i64,
    /// The name.
    pub name: String,
    /// How many users are members.
    pub members: u64,
    /// All permissions.
    pub apps: Vec<Choices>,
    /// What the one who asks may do.
    pub allowed: AllowedGroup,
    /// What is wrong with a new name.
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

    #[expect(clippy::unused_self, reason = "the tabs ask their page")]
    fn tab(&self) -> &'static str {
        "/admin/groups"
    }
}
