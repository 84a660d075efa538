//! The pages that change groups and permissions of a user.

use std::collections::BTreeMap;

use askama::Template;

use super::{Layout, Visitor};
use crate::translations::Text;

/// A group or a permission that a user may have.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The name of the group, or `app.codename`.
    pub name: String,
    /// A description, may be empty.
    pub title: String,
    /// Whether the user has it.
    pub is_held: bool,
    /// Whether the viewer may give and take it.
    pub is_free: bool,
}

/// Choices under one heading.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The heading; for permissions their app.
    pub name: String,
    /// In the order of the page.
    pub choices: Vec<Choice>,
}

impl Choices {
    /// Permissions by their app, the first part of their name.
    #[must_use]
    pub fn by_app(permissions: Vec<Choice>) -> Vec<Self> {
        let mut apps = BTreeMap::<String, Vec<Choice>>::new();
        for permission in permissions {
            let app = permission.name.split('.').next().unwrap_or_default().to_owned();
            apps.entry(app).or_default().push(permission);
        }
        apps.into_iter().map(|(name, choices)| Self { name, choices }).collect()
    }

    pub(super) fn held(&self) -> usize {
        self.choices.iter().filter(|choice| choice.is_held).count()
    }

    /// Whether the list starts unfolded: it is short, or something in it is chosen.
    pub(super) fn is_open(&self) -> bool {
        self.choices.len() <= 8 || self.held() > 0
    }
}

/// `GET /admin/users/{id}/rights`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_rights.html")]
pub struct AdminRights {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The id of the user, for addresses.
    pub id: String,
    /// The name of the user.
    pub name: Text,
    /// Whether the user has every permission anyway.
    pub is_superuser: bool,
    /// All groups.
    pub groups: Vec<Choice>,
    /// All permissions.
    pub apps: Vec<Choices>,
}

impl AdminRights {
    fn is_all_free(&self) -> bool {
        self.groups.iter().chain(self.apps.iter().flat_map(|app| &app.choices)).all(|choice| choice.is_free)
    }

    #[expect(clippy::unused_self, reason = "the template of the tabs calls it on every page")]
    fn tab(&self) -> &'static str {
        "/admin/users"
    }
}

/// `POST /admin/users/{id}/rights` and `POST /admin/groups/{id}/permissions`: asks for confirmation first.
#[derive(Clone, Debug, Template)]
#[template(path = "admin_rights_ask.html")]
pub struct AdminRightsAsk {
    /// The parts that all pages share.
    pub layout: Layout,
    /// The path that the form posts to.
    pub path: String,
    /// The page to go back to.
    pub back: String,
    /// The tab that it belongs to.
    pub tab: &'static str,
    /// The question whether to change this user or this group.
    pub question: Text,
    /// The time at which the change takes effect, and the users that it affects.
    pub effect: Text,
    /// All changes.
    pub changes: Vec<AskedChange>,
}

/// Groups or permissions that are given or taken.
#[derive(Clone, Debug)]
pub struct AskedChange {
    /// The kind of change.
    pub said: Text,
    /// The form field that names them on confirmation.
    pub field: &'static str,
    /// Their names.
    pub names: Vec<String>,
}

impl AdminRightsAsk {
    fn tab(&self) -> &'static str {
        self.tab
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_shown_by_app() {
        let choice = |name: &str| Choice { name: name.into(), title: String::new(), is_held: false, is_free: true };
        let apps = Choices::by_app(["shop.add_order", "auth.add_user", "shop.view_order"].map(choice).into());
        let found: Vec<_> = apps.iter().map(|app| (app.name.as_str(), app.choices.len())).collect();
        assert_eq!(found, [("auth", 1), ("shop", 2)]);
    }
}
