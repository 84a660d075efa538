//! Which users a member of staff may change: as in Django's administration, and a little less.
//!
//! - Superusers may change everybody but themselves. Only they make superusers and set passwords.
//! - Other staff need the permission to change users (`auth.change_user`). They change nobody's staff mark, they change
//!   no superuser, and they do not activate staff: an accomplice must not give back what a superuser took.
//! - They give and take only groups and permissions of which they have every permission themselves: nobody lifts an
//!   accomplice above themselves, or takes what they could not give back. A group without permissions is for
//!   superusers: nobody knows what it will stand for.
//! - Groups are made, changed and deleted with Django's permissions for that (`auth.add_group` and so on), and again
//!   within what they have themselves: of a group that may do more nobody changes the name, which may mean something
//!   elsewhere.
//! - Without the permission staff may look.

use std::collections::{BTreeMap, BTreeSet};

use shared_session::users::{AuthUser as _, User};

use crate::translations::Text;

/// What one member of staff may do.
#[derive(Clone, Debug)]
pub struct Rights {
    id: String,
    is_superuser: bool,
    changes_users: bool,
    permissions: BTreeSet<String>,
}

/// What a user is given, and what is taken: groups or permissions, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the user does not have yet.
    pub add: BTreeSet<String>,
    /// What the user has.
    pub remove: BTreeSet<String>,
}

impl Difference {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Groups or permissions by name, each with the permissions that it stands for.
pub type Grants = BTreeMap<String, BTreeSet<String>>;

/// The user of a session that somebody wants to end.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// Nobody is signed in, or the user was deleted.
    Nobody,
    /// This user.
    User(&'a User),
    /// A user who cannot be read, and may be a superuser.
    Unreadable,
}

/// Why not: a sentence for the member of staff.
pub type Refusal = Text;

const NOT_YOURSELF: Refusal = Text::new("refused-yourself");
const NO_PERMISSION: Refusal = Text::new("refused-permission");
const SUPERUSERS_ONLY: Refusal = Text::new("refused-superusers");
const SECRETS: Refusal = Text::new("refused-secrets");
const GRANTS: Refusal = Text::new("refused-grants");
const GROUPS: Refusal = Text::new("refused-groups");
const STAFF_MARK: Refusal = Text::new("refused-staff");

impl Rights {
    /// The rights of `staff`, who has `permissions`; `to_change_users` is the name of the one that counts.
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
    /// Why not.
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
    /// Why not.
    pub fn set_active(&self, user: &User, on: bool) -> Result<(), Refusal> {
        self.change(user)?;
        if on && user.is_staff && !self.is_superuser { Err(STAFF_MARK) } else { Ok(()) }
    }

    /// Whether `user` may be made staff, or no longer be.
    ///
    /// # Errors
    /// Why not.
    pub fn set_staff(&self, user: &User) -> Result<(), Refusal> {
        self.change(user)?;
        if self.is_superuser { Ok(()) } else { Err(STAFF_MARK) }
    }

    /// Whether `user` may be made a superuser, or no longer be, and may be given another password: whoever knows the
    /// password of a user is that user.
    ///
    /// # Errors
    /// Why not.
    pub fn set_superuser_or_password(&self, user: &User) -> Result<(), Refusal> {
        self.change(user)?;
        if self.is_superuser { Ok(()) } else { Err(SECRETS) }
    }

    /// Whether `permissions` may be given to others and taken from them: those of one group, or one.
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
    /// Why not.
    pub fn add_group(&self) -> Result<(), Refusal> {
        self.may_with_groups("auth.add_group")
    }

    /// Whether a group may be given permissions, and may lose them: those that [`grants`](Self::grants) names.
    ///
    /// # Errors
    /// Why not.
    pub fn change_group(&self) -> Result<(), Refusal> {
        self.may_with_groups("auth.change_group")
    }

    /// Whether a group with these permissions may have another name.
    ///
    /// # Errors
    /// Why not.
    pub fn rename_group(&self, permissions: &BTreeSet<String>) -> Result<(), Refusal> {
        self.change_group()?;
        self.has_all(permissions)
    }

    /// Whether a group with these permissions may be deleted, which takes them from its members.
    ///
    /// # Errors
    /// Why not.
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

    /// What changes for a user who has `held` if `wanted` of `all` is what was ticked. What may not be given or taken
    /// cannot be ticked, and stays.
    ///
    /// # Errors
    /// If `wanted` has something that may not be given and is not held, or that there is not.
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

    /// What is left of `asked` for a user who now has `held`: what others did meanwhile is not done again.
    ///
    /// # Errors
    /// If `asked` has something that may not be given and taken, or that there is not in `all`.
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

    /// Whether a session of `owner` may be ended. One's own may.
    ///
    /// # Errors
    /// Why not.
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
    fn who_may_change_whom() {
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
    fn who_may_end_which_session() {
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

    /// Four that stand for themselves; a clerk who has two of them, and a superuser.
    fn clerk_and_root() -> (Grants, Rights, Rights) {
        let all = ["a", "b", "c", "d"].map(|name| (name.to_owned(), names(&[name]))).into();
        let (clerk, root) = (user("clerk", true, false), user("root", true, true));
        (all, rights(&clerk, &["auth.change_user", "a", "b"]), rights(&root, &[]))
    }

    #[test]
    fn what_is_ticked_changes_what_the_staff_may_give_and_take() {
        let (all, clerk, root) = clerk_and_root();
        // What is held and what is ticked, what changes if a clerk ticked it, and if a superuser did.
        for (held, wanted, by_clerk, by_root) in [
            (&[][..], &["a"][..], Some(difference(&["a"], &[])), difference(&["a"], &[])),
            (&["a", "b"], &["b"], Some(difference(&[], &["a"])), difference(&[], &["a"])),
            // What the clerk does not have stays, whether or not the form says so.
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
    fn what_is_confirmed_leaves_alone_what_others_changed_meanwhile() {
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
    fn a_group_stands_for_all_that_is_in_it_and_an_empty_one_is_for_superusers() {
        let (_, clerk, root) = clerk_and_root();
        for (permissions, by_clerk) in [(&["a", "b"][..], true), (&["a", "c"], false), (&[], false)] {
            assert_eq!(clerk.grants(&names(permissions)), by_clerk, "{permissions:?}");
            assert!(root.grants(&names(permissions)), "{permissions:?}");
        }
    }

    #[test]
    fn groups_are_changed_within_what_one_has() {
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
