//! The source of each value of a new row: the caller, the database, or none. Pure.

use super::{
    column::{Column, Dialect, Kind},
    user_table::UserTable,
};

/// Django's own name for the column of user names.
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";

/// The sources of the columns of a new row.
pub(super) struct Filling {
    /// Users sign in with their e-mail address.
    pub(super) signs_in_by_email: bool,
    pub(super) email: Option<Column>,
    /// `username`, if users sign in with another column.
    pub(super) username: Option<Column>,
    /// Columns that get an empty text.
    pub(super) empty: Vec<Column>,
    pub(super) date_joined: Option<Column>,
    pub(super) key: NewKey,
    /// A column that requires a value that no form asks for.
    pub(super) needed: Option<String>,
}

/// The source of the key of a new row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewKey {
    /// The database makes it, or it is the name.
    Given,
    /// A random UUID.
    Uuid,
}

impl Filling {
    pub(super) fn of(dialect: Dialect, table: &UserTable, columns: &[Column], key: &Column, name: &Column) -> Self {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let is_text = |column: &&Column| matches!(column.kind, Kind::Text | Kind::TextOf(_));
        let signs_in_by_email = name.name == table.email;
        let email = find(&table.email).filter(|_| !signs_in_by_email);
        let username = find(USERNAME).filter(|column| *column != name && is_text(column));
        let empty: Vec<_> =
            [find(&table.first_name), find(&table.last_name)].into_iter().flatten().filter(is_text).collect();
        let date_joined = find(&table.date_joined);

        let numbers_itself = match dialect {
            // An alias of SQLite's row id.
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => key.kind == Kind::Number,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => false,
        };
        let (new_key, is_key_given) = match key.kind {
            _ if key.is_filled || numbers_itself || key == name => (NewKey::Given, true),
            Kind::Uuid | Kind::UuidText => (NewKey::Uuid, true),
            _ => (NewKey::Given, false),
        };
        let flags = [&table.is_active, &table.is_staff, &table.is_superuser].map(|name| find(name));
        let filled: Vec<&Column> = [Some(name), find(PASSWORD), email, username, date_joined]
            .into_iter()
            .chain(flags)
            .chain(empty.iter().copied().map(Some))
            .chain([is_key_given.then_some(key)])
            .flatten()
            .collect();
        let needs = |column: &&Column| column.is_required && !column.is_filled && !filled.contains(column);
        Self {
            signs_in_by_email,
            email: email.cloned(),
            username: username.cloned(),
            needed: columns.iter().find(needs).map(|column| column.name.clone()),
            date_joined: date_joined.cloned(),
            empty: empty.into_iter().cloned().collect(),
            key: new_key,
        }
    }
}
