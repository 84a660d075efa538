//! The users that a member of staff may change: as in Django's administration, with a few restrictions.
//!
//! - Superusers may change everyone but themselves. Only they create superusers and set passwords.
//! - Other staff need the permission to change users (`auth.change_user`). They cannot grant or revoke staff status,
//!   change a superuser, or activate staff: an accomplice must not restore what a superuser took away.
//! - They give and take only groups and permissions of which they have every permission themselves. So they cannot
//!   raise an accomplice above themselves, or take what they could not give back. A group without permissions is for
//!   superusers, because its later meaning is unknown.
//! - Creating, changing and deleting groups needs Django's permissions for that (`auth.add_group` and so on), and is
//!   again limited to the permissions that the member of staff has. A group with more permissions cannot be renamed
//!   either, because its name may matter elsewhere.
//! - Without the permission staff may only look.

use std::collections::{BTreeMap, BTreeSet};

use shared_session::users::{AuthUser as _, User};

use crate::translations::Text;

/// The rights of one member of staff.
#[derive(Clone, Debug)]
pub struct Rights {
    id: String,
    is_superuser: bool,
    changes_users: bool,
    permissions: BTreeSet<String>,
}

/// The groups or permissions to give and to take, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The names to give.
    pub add: BTreeSet<String>,
    /// The names to take.
    pub remove: BTreeSet<String>,
}

impl Difference {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Groups or permissions by name, each with the permissions that it grants.
pub type Grants = BTreeMap<String, BTreeSet<String>>;

/// Permissions to be given one by one: each grants itself.
#[must_use]
pub fn single_permissions<'a>(names: impl IntoIterator<Item = &'a str>) -> Grants {
    names.into_iter().map(|name| (name.to_owned(), BTreeSet::from([name.to_owned()]))).collect()
}

/// The user of a session that is to be ended.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// The session is anonymous, or the user was deleted.
    Nobody,
    /// This user.
    User(&'a User),
    /// The user cannot be read, and may be a superuser.
    Unreadable,
}

/// The reason of a refusal, as a sentence for the member of staff.
pub type Refusal = Text;

const NOT_YOURSELF: Refusal = Text::new("refused-yourself");
const NO_PERMISSION: Refusal = Text::new("refused-permission");
const SUPERUSERS_ONLY: Refusal = Text::new("refused-superusers");
const SECRETS: Refusal = Text::new("refused-secrets");
const GRANTS: Refusal = Text::new("refused-grants");
const GROUPS: Refusal = Text::new("refused-groups");
const STAFF_MARK: Refusal = Text::new("refused-staff");

impl Rights {
    /// The rights of `staff`, who has `permissions`; `to_change_users` is the name of the permission to change users.
    #[must_use]
    pub fn new(staff: &User, permissions: &BTreeSet<String>, to_change_users: &str) -> Self {
        Self {
            id: staff.id.clone(),
            is_superuser: staff.is_active && staff.is_superuser,
            changes_users: staff.has_perm(permissions, to_change_users),
            permissions: permissions.clone(),
        }
    }

    /// Whether `user` may be deactivated and signed out.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn change(&self, user: &User) -> Result<(), Refusal> {
        match () {
            () if !self.changes_users => Err(NO_PERMISSION),
            () if user.id == self.id => Err(NOT_YOURSELF),
            () if user.is_superuser && !self.is_superuser => Err(SUPERUSERS_ONLY),
            () => Ok(()),
        }
    }

    /// Whether `user` may be activated (`on`) or deactivated.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn set_active(&self, user: &User, on: bool) -> Result<(), Refusal> {
        self.change(user)?;
        if on && user.is_staff && !self.is_superuser { Err(STAFF_MARK) } else { Ok(()) }
    }

    /// Whether the staff status of `user` may be changed.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn set_staff(&self, user: &User) -> Result<(), Refusal> {
        self.change(user)?;
        if self.is_superuser { Ok(()) } else { Err(STAFF_MARK) }
    }

    /// Whether the superuser status and the password of `user` may be changed: with the password of a user one can act
    /// as that user.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn set_superuser_or_password(&self, user: &User) -> Result<(), Refusal> {
        self.change(user)?;
        if self.is_superuser { Ok(()) } else { Err(SECRETS) }
    }

    /// Whether `permissions` may be given to others and taken from them: those of one group, or a single one.
    #[must_use]
    pub fn grants<'a>(&self, permissions: impl IntoIterator<Item = &'a String>) -> bool {
        let mut permissions = permissions.into_iter().peekable();
        let has_all =
            permissions.peek().is_some() && permissions.all(|permission| self.permissions.contains(permission));
        self.is_superuser || has_all
    }

    /// Whether a group may be added.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn add_group(&self) -> Result<(), Refusal> {
        self.may_with_groups("auth.add_group")
    }

    /// Whether a group may be given and may lose permissions, those that [`grants`](Self::grants) allows.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn change_group(&self) -> Result<(), Refusal> {
        self.may_with_groups("auth.change_group")
    }

    /// Whether a group with these permissions may be renamed.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn rename_group(&self, permissions: &BTreeSet<String>) -> Result<(), Refusal> {
        self.change_group()?;
        self.has_all(permissions)
    }

    /// Whether a group with these permissions may be deleted, which takes them from its members.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn delete_group(&self, permissions: &BTreeSet<String>) -> Result<(), Refusal> {
        self.may_with_groups("auth.delete_group")?;
        self.has_all(permissions)
    }

    fn may_with_groups(&self, permission: &str) -> Result<(), Refusal> {
        if self.is_superuser || self.permissions.contains(permission) { Ok(()) } else { Err(GROUPS) }
    }

    fn has_all(&self, permissions: &BTreeSet<String>) -> Result<(), Refusal> {
        if self.is_superuser || permissions.is_subset(&self.permissions) { Ok(()) } else { Err(GRANTS) }
    }

    /// The changes for a user who has `held`, if `wanted` of `all` are ticked. Groups or permissions that may not be
    /// given or taken cannot be ticked, and stay.
    ///
    /// # Errors
    /// If `wanted` has something that may not be given and is not held, or that does not exist.
    pub fn ticked(
        &self,
        all: &Grants,
        held: &BTreeSet<String>,
        wanted: &BTreeSet<String>,
    ) -> Result<Difference, Refusal> {
        let remove = held.difference(wanted).filter(|name| self.may_grant(all, name)).cloned().collect();
        let asked = Difference { add: wanted.difference(held).cloned().collect(), remove };
        self.confirmed(all, held, &asked)
    }

    /// The rest of `asked` for a user who now has `held`: changes that others made meanwhile are left out.
    ///
    /// # Errors
    /// If `asked` has something that may not be given and taken, or that is not in `all`.
    pub fn confirmed(&self, all: &Grants, held: &BTreeSet<String>, asked: &Difference) -> Result<Difference, Refusal> {
        let Difference { add, remove } = asked;
        if add.union(remove).any(|name| !self.may_grant(all, name)) {
            return Err(GRANTS);
        }
        Ok(Difference { add: add - held, remove: remove & held })
    }

    fn may_grant(&self, all: &Grants, name: &str) -> bool {
        all.get(name).is_some_and(|permissions| self.grants(permissions))
    }

    /// Whether a session of `owner` may be ended. Members of staff may end their own.
    ///
    /// # Errors
    /// The reason of the refusal.
    pub fn end_session(&self, owner: Owner<'_>) -> Result<(), Refusal> {
        match owner {
            Owner::User(user) if user.id == self.id => Ok(()),
            Owner::User(user) => self.change(user),
            _ if !self.changes_users => Err(NO_PERMISSION),
            Owner::Unreadable if !self.is_superuser => Err(SUPERUSERS_ONLY),
            Owner::Nobody | Owner::Unreadable => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, is_staff: bool, is_superuser: bool) -> User {
        let mut user = User::new(id, id);
        (user.is_staff, user.is_superuser) = (is_staff, is_superuser);
        user
    }

    fn rights(staff: &User, permissions: &[&str]) -> Rights {
        let permissions = permissions.iter().map(|permission| (*permission).to_owned()).collect();
        Rights::new(staff, &permissions, "auth.change_user")
    }

    #[test]
    fn staff_rights_decide_which_users_may_be_changed() {
        let [ann, sue, root, chief] =
            [user("ann", false, false), user("sue", true, false), user("root", true, true), user("chief", true, true)];
        let clerk = user("clerk", true, false);
        let [looking, changing, ruling] =
            [rights(&clerk, &["auth.view_user"]), rights(&clerk, &["auth.change_user"]), rights(&root, &[])];
        // The rights, a user, and whether the user may be changed, activated, and made staff.
        for (rights, user, allowed) in [
            (&looking, &ann, [false, false, false]),
            (&looking, &root, [false, false, false]),
            (&changing, &ann, [true, true, false]),
            (&changing, &sue, [true, false, false]),
            (&changing, &root, [false, false, false]),
            (&changing, &clerk, [false, false, false]),
            (&ruling, &ann, [true, true, true]),
            (&ruling, &sue, [true, true, true]),
            (&ruling, &chief, [true, true, true]),
            (&ruling, &root, [false, false, false]),
        ] {
            let found = [rights.change(user), rights.set_active(user, true), rights.set_staff(user)];
            assert_eq!(found.map(|found| found.is_ok()), allowed, "{rights:?} {user:?}");
            assert_eq!(rights.set_active(user, false).is_ok(), allowed[0], "{rights:?} {user:?}");
            assert_eq!(rights.set_superuser_or_password(user).is_ok(), allowed[2], "{rights:?} {user:?}");
        }
    }

    #[test]
    fn staff_rights_decide_which_sessions_may_be_ended() {
        let [ann, clerk, root] = [user("ann", false, false), user("clerk", true, false), user("root", true, true)];
        let owners = [Owner::Nobody, Owner::User(&ann), Owner::User(&clerk), Owner::User(&root), Owner::Unreadable];
        let ends = |rights: Rights| owners.map(|owner| rights.end_session(owner).is_ok());
        assert_eq!(ends(rights(&clerk, &[])), [false, false, true, false, false]);
        assert_eq!(ends(rights(&clerk, &["auth.change_user"])), [true, true, true, false, false]);
        assert_eq!(ends(rights(&root, &[])), [true; 5]);
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn difference(add: &[&str], remove: &[&str]) -> Difference {
        Difference { add: names(add), remove: names(remove) }
    }

    /// Four permissions; a clerk who has two of them, and a superuser.
    fn clerk_and_root() -> (Grants, Rights, Rights) {
        let all = single_permissions(["a", "b", "c", "d"]);
        let (clerk, root) = (user("clerk", true, false), user("root", true, true));
        (all, rights(&clerk, &["auth.change_user", "a", "b"]), rights(&root, &[]))
    }

    #[test]
    fn ticked_boxes_change_only_permissions_that_the_staff_may_give_and_take() {
        let (all, clerk, root) = clerk_and_root();
        // The held names, the ticked names, the change if a clerk ticked them, and the change if a superuser did.
        for (held, wanted, by_clerk, by_root) in [
            (&[][..], &["a"][..], Some(difference(&["a"], &[])), difference(&["a"], &[])),
            (&["a", "b"], &["b"], Some(difference(&[], &["a"])), difference(&[], &["a"])),
            // Permissions that the clerk does not have stay, whether or not the form names them.
            (&["a", "c"], &["b"], Some(difference(&["b"], &["a"])), difference(&["b"], &["a", "c"])),
            (&["a", "c"], &["b", "c"], Some(difference(&["b"], &["a"])), difference(&["b"], &["a"])),
            (&["c"], &["c", "d"], None, difference(&["d"], &[])),
            (&[], &["c"], None, difference(&["c"], &[])),
        ] {
            let (held, wanted) = (names(held), names(wanted));
            assert_eq!(clerk.ticked(&all, &held, &wanted).ok(), by_clerk, "{held:?} {wanted:?}");
            assert_eq!(root.ticked(&all, &held, &wanted).ok(), Some(by_root), "{held:?} {wanted:?}");
        }
        assert!(root.ticked(&all, &names(&[]), &names(&["no such permission"])).is_err());
    }

    #[test]
    fn a_confirmed_change_keeps_concurrent_changes_by_others() {
        let (all, clerk, root) = clerk_and_root();
        let asked = difference(&["a"], &["b"]);
        for (held, left) in [
            (&["b", "c"][..], difference(&["a"], &["b"])),
            (&["b"], difference(&["a"], &["b"])),
            (&["a", "d"], difference(&[], &[])),
        ] {
            assert_eq!(clerk.confirmed(&all, &names(held), &asked).ok(), Some(left), "{held:?}");
        }
        for refused in [difference(&["c"], &[]), difference(&["a"], &["c"]), difference(&["no such permission"], &[])] {
            assert!(clerk.confirmed(&all, &names(&["c"]), &refused).is_err(), "{refused:?}");
        }
        assert!(root.confirmed(&all, &names(&["c"]), &difference(&["a"], &["c"])).is_ok());
    }

    #[test]
    fn a_group_counts_as_its_permissions_and_an_empty_one_is_for_superusers() {
        let (_, clerk, root) = clerk_and_root();
        for (permissions, by_clerk) in [(&["a", "b"][..], true), (&["a", "c"], false), (&[], false)] {
            assert_eq!(clerk.grants(&names(permissions)), by_clerk, "{permissions:?}");
            assert!(root.grants(&names(permissions)), "{permissions:?}");
        }
    }

    #[test]
    fn staff_change_groups_only_within_their_own_permissions() {
        let (clerk, root) = (user("clerk", true, false), user("root", true, true));
        let all = |rights: &Rights, of_group: &[&str]| {
            let of_group = names(of_group);
            let found = [
                rights.add_group(),
                rights.change_group(),
                rights.rename_group(&of_group),
                rights.delete_group(&of_group),
            ];
            found.map(|found| found.is_ok())
        };
        let everything = ["a", "auth.add_group", "auth.change_group", "auth.delete_group"];
        for (permissions, of_group, allowed) in [
            (&["a", "auth.change_user", "auth.view_group"][..], &[][..], [false; 4]),
            (&["auth.add_group"], &[], [true, false, false, false]),
            (&["auth.change_group"], &[], [false, true, true, false]),
            (&["auth.delete_group"], &[], [false, false, false, true]),
            (&everything, &["a"], [true; 4]),
            (&everything, &["a", "b"], [true, true, false, false]),
        ] {
            assert_eq!(all(&rights(&clerk, permissions), of_group), allowed, "{permissions:?} {of_group:?}");
        }
        assert_eq!(all(&rights(&root, &[]), &["a"]), [true; 4]);
    }

    #[test]
    fn an_inactive_superuser_has_no_rights() {
        let mut root = user("root", true, true);
        root.is_active = false;
        let rights = rights(&root, &["auth.change_user"]);
        assert!(rights.change(&user("ann", false, false)).is_err() && rights.end_session(Owner::Nobody).is_err());
    }
}
