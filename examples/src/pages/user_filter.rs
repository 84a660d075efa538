//! The filter and the order of the user list.

use shared_session::users::User;

use crate::links::encoded;

/// The filter and the order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// A part of the name or the e-mail address, may be empty.
    pub query: String,
    /// The kind of users.
    pub only: Only,
    /// The order.
    pub order: Order,
}

/// The kind of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// All of them.
    #[default]
    Everybody,
    /// Users who may sign in.
    Active,
    /// Users who may not sign in.
    Inactive,
    /// Users who may see the admin pages.
    Staff,
    /// Users who may do everything.
    Superusers,
}

impl Only {
    const NAMES: [(&str, Self); 4] = [
        ("active", Self::Active),
        ("inactive", Self::Inactive),
        ("staff", Self::Staff),
        ("superusers", Self::Superusers),
    ];

    /// The kind with this name in a URL; an unknown name is everybody.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Everybody, |(_, only)| *only)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, only)| *only == self).map_or("", |(name, _)| name)
    }

    fn fits(self, user: &User) -> bool {
        match self {
            Self::Everybody => true,
            Self::Active => user.is_active,
            Self::Inactive => !user.is_active,
            Self::Staff => user.is_staff,
            Self::Superusers => user.is_superuser,
        }
    }
}

/// The order of the users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The name, as the database sorts.
    #[default]
    Name,
    /// The e-mail address; users without one are last.
    Email,
    /// The last login, the latest first; users who never signed in are last.
    LastLogin,
    /// The registration, the latest first.
    Joined,
}

impl Order {
    const NAMES: [(&str, Self); 3] =
        [("email", Self::Email), ("last-login", Self::LastLogin), ("joined", Self::Joined)];

    /// The order with this name in a URL; an unknown name is by name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Name, |(_, order)| *order)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

impl UserFilter {
    /// Whether the database can filter and sort by itself.
    #[must_use]
    pub fn is_for_the_database(&self) -> bool {
        self.only == Only::Everybody && self.order == Order::Name
    }

    /// The matching `users`, in order. `users` must be sorted by name.
    #[must_use]
    pub fn select(&self, mut users: Vec<User>) -> Vec<User> {
        users.retain(|user| self.only.fits(user));
        match self.order {
            Order::Name => {}
            Order::Email => users.sort_by_key(|user| (user.email.is_empty(), user.email.to_lowercase())),
            Order::LastLogin => users.sort_by_key(|user| std::cmp::Reverse(user.last_login)),
            Order::Joined => users.sort_by_key(|user| std::cmp::Reverse(user.date_joined)),
        }
        users
    }

    pub(super) fn is_set(&self) -> bool {
        !self.query.is_empty() || self.only != Only::Everybody
    }

    /// The query string, with an `&` at the end.
    pub(super) fn address(&self) -> String {
        let Self { query, only, order } = self;
        let query = format!("q={}&", encoded(query));
        if self.is_for_the_database() { query } else { format!("{query}is={}&sort={}&", only.name(), order.name()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Vec<User> {
        let user = |name: &str, email: &str, last_login, marks: [bool; 3]| {
            let mut user = User::new(name, name);
            (user.email, user.last_login, user.date_joined) = (email.into(), last_login, last_login);
            [user.is_active, user.is_staff, user.is_superuser] = marks;
            user
        };
        vec![
            user("ann", "z@example.org", Some(5), [true, false, false]),
            user("bob", "", None, [false, true, false]),
            user("root", "A@example.org", Some(9), [true, true, true]),
        ]
    }

    #[test]
    fn users_are_filtered_and_sorted() {
        for (only, order, expected) in [
            ("", "", &["ann", "bob", "root"][..]),
            ("active", "", &["ann", "root"]),
            ("inactive", "", &["bob"]),
            ("staff", "last-login", &["root", "bob"]),
            ("superusers", "", &["root"]),
            ("", "email", &["root", "ann", "bob"]),
            ("", "last-login", &["root", "ann", "bob"]),
            ("active", "joined", &["root", "ann"]),
            ("'", "\0", &["ann", "bob", "root"]),
        ] {
            let filter = UserFilter { only: Only::named(only), order: Order::named(order), ..<_>::default() };
            let found: Vec<_> = filter.select(users()).into_iter().map(|user| user.username).collect();
            assert_eq!(found, expected, "{only:?} {order:?}");
            assert_eq!(filter.is_for_the_database(), expected == ["ann", "bob", "root"]);
        }
    }

    #[test]
    fn an_address_leads_to_the_same_filter() {
        let filter = UserFilter { query: "a&b".into(), only: Only::Staff, order: Order::Email };
        assert_eq!(filter.address(), "q=a%26b&is=staff&sort=email&");
        assert_eq!(UserFilter::default().address(), "q=&");
    }
}
