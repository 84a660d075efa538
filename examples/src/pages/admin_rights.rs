//! The pages that change groups and permissions of a user.

use std::collections::BTreeMap;

use askama::Template;

use super::{Layout, Visitor};
use crate::translations::Text;

/// A group or a permission that a user may have.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its name: that of the group, or `app.codename`.
    pub name: String,
    /// What it is about, may be empty.
    pub title: String,
    /// Whether the user has it.
    pub is_held: bool,
    /// Whether the one who asks may give and take it.
    pub is_free: bool,
}

/// Some of them under one name.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// What they have in common; for permissions their app.
    pub name: String,
    /// In the order of the page.
    pub choices: Vec<Choice>,
}

impl Choices {
    /// Permissions by their app, which is what their name begins with.
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

    /// Few enough to be seen at once, or with something chosen.
    pub(super) fn is_open(&self) -> bool {
        self.choices.len() <= 8 || self.held() > 0
    }
}

/// `GET /admin/users/{id}/rights`
#[derive(Clone, Debug, Template)]
#[template(path = "admin_rights.html")]
pub struct AdminRights {
    /// What every page shows.
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

    #[expect(clippy::unused_self, reason = "the tabs ask their page")]
    fn tab(&self) -> &'static str {
        "/admin/users"
    }
}

/// `POST /admin/users/{id}/rights` and `POST /admin/groups/{id}/permissions`: asks before it does so.
#[derive(Clone, Debug, Template)]
#[template(path = "admin_rights_ask.html")]
pub struct AdminRightsAsk {
    /// What every page shows.
    pub layout: Layout,
    /// Where the answer goes.
    pub path: String,
    /// The page to go back to.
    pub back: String,
    /// The tab that it belongs to.
    pub tab: &'static str,
    /// Whether to change this user, or this group.
    pub question: Text,
    /// From when on it holds, and for whom.
    pub effect: Text,
    /// What changes, and nothing else.
    pub changes: Vec<AskedChange>,
}

/// Groups or permissions that are given or taken.
#[derive(Clone, Debug)]
pub struct AskedChange {
    /// What happens to them.
    pub said: Text,
    /// The field that they are in when it is confirmed.
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
