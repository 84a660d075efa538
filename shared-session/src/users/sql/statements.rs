//! The statements for one user table, made from its columns. Pure.

use std::{borrow::Cow, sync::Arc};

#[cfg(feature = "django")]
use crate::django::zone::TimeZone;
use crate::users::{
    User,
    sql::{
        column::{Column, Dialect, Kind, dashed_uuid, quoted},
        column_defaults::{Filling, PASSWORD, USERNAME},
        user_table::{AUTH_USER, UserTable},
    },
};

/// Names and statements for one user table in one database.
pub(super) struct Tables {
    pub(super) dialect: Dialect,
    /// The table's name, quoted for SQL.
    pub(super) users: String,
    pub(super) key: Column,
    /// The column that users sign in with.
    pub(super) name: Column,
    pub(super) password: Column,
    pub(super) is_active: Option<Column>,
    pub(super) is_staff: Option<Column>,
    pub(super) is_superuser: Option<Column>,
    pub(super) last_login: Option<Column>,
    pub(super) rights: Option<Rights>,
    pub(super) now: Cow<'static, str>,
    /// The zone of the times in the columns, if they are local.
    #[cfg(feature = "django")]
    zone: Option<TimeZone>,
    pub(super) select: String,
    pub(super) find: Arc<str>,
    pub(super) find_by_name: Arc<str>,
    pub(super) has_epochs: bool,
    pub(super) filling: Filling,
    /// The columns that a search looks at.
    searched: Vec<Column>,
}

/// The tables of groups and permissions, as names quoted for SQL.
#[derive(Clone)]
pub(super) struct Rights {
    pub(super) user_groups: Membership,
    pub(super) user_permissions: Membership,
    pub(super) group: String,
    pub(super) permission: String,
    pub(super) group_permissions: String,
    pub(super) content_type: String,
}

/// A join table between users and groups or permissions.
#[derive(Clone)]
pub(super) struct Membership {
    pub(super) table: String,
    /// The column that refers to the user.
    pub(super) user: Column,
}

/// A value of a new row.
pub(super) enum Value {
    Text(String),
    Flag(bool),
}

/// The reason why the columns are not those of a user table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    NoKey,
    NoColumn(String),
}

impl Tables {
    /// `auth_user`, as [`SqlUsers::migrate`](super::SqlUsers::migrate) makes it.
    pub(super) fn own(dialect: Dialect) -> Self {
        let column = |name: &str, kind: Kind| Column {
            name: name.to_owned(),
            is_key: name == "id",
            is_filled: name == "id",
            is_required: name != "last_login",
            kind,
        };
        let [text, flag, time] = [Kind::Text, Kind::Other, Kind::Date];
        let columns = [
            column("id", Kind::Number),
            column("username", text.clone()),
            column("password", text.clone()),
            column("email", text.clone()),
            column("first_name", text.clone()),
            column("last_name", text),
            column("is_active", flag.clone()),
            column("is_staff", flag.clone()),
            column("is_superuser", flag),
            column("date_joined", time.clone()),
            column("last_login", time),
        ];
        let membership = |name| Membership {
            table: quoted(name),
            user: Column { is_key: false, ..column("user_id", Kind::Number) },
        };
        let rights = Rights {
            user_groups: membership("auth_user_groups"),
            user_permissions: membership("auth_user_user_permissions"),
            group: quoted("auth_group"),
            permission: quoted("auth_permission"),
            group_permissions: quoted("auth_group_permissions"),
            content_type: quoted("django_content_type"),
        };
        let table = UserTable::new(AUTH_USER);
        let [key, name, password, ..] = &columns;
        Self::made(dialect, quoted(AUTH_USER), &table, &columns, &Parts { key, name, password }, Some(rights), true)
    }

    /// The table `users` (a name quoted for SQL) with these `columns`.
    pub(super) fn of(
        dialect: Dialect,
        users: String,
        table: &UserTable,
        columns: &[Column],
        rights: Option<Rights>,
        has_epochs: bool,
    ) -> Result<Self, Unfit> {
        let parts = Parts::find(table, columns)?;
        Ok(Self::made(dialect, users, table, columns, &parts, rights, has_epochs))
    }

    fn made(
        dialect: Dialect,
        users: String,
        table: &UserTable,
        columns: &[Column],
        &Parts { key, name, password }: &Parts<'_>,
        rights: Option<Rights>,
        has_epochs: bool,
    ) -> Self {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let text = |name: &str| find(name).map_or_else(|| "CAST(NULL AS TEXT)".to_owned(), Column::text);
        let flag =
            |name: &str, missing: &str| find(name).map_or_else(|| missing.to_owned(), |column| column.flag(dialect));
        let seconds =
            |name: &str| find(name).map_or_else(|| "CAST(NULL AS BIGINT)".to_owned(), |column| column.seconds(dialect));
        let (epoch, join) = if has_epochs {
            let join = format!("LEFT JOIN shared_session_epoch e ON e.user_id = {}", key.text());
            ("COALESCE(e.epoch, 0)", join)
        } else {
            ("CAST(0 AS BIGINT)", String::new())
        };
        let select = format!(
            "SELECT {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {epoch} FROM {users} u {join}",
            key.text(),
            name.text(),
            password.text(),
            text(&table.email),
            text(&table.first_name),
            text(&table.last_name),
            flag(&table.is_active, "TRUE"),
            flag(&table.is_staff, "FALSE"),
            flag(&table.is_superuser, "FALSE"),
            seconds(&table.date_joined),
            seconds(&table.last_login),
        );
        #[cfg(feature = "django")]
        let zone = table.time_zone.as_ref().filter(|_| {
            let times = [find(&table.date_joined), find(&table.last_login)];
            dialect.has_only_local_times() || times.into_iter().flatten().any(|column| column.kind == Kind::LocalDate)
        });
        #[cfg(not(feature = "django"))]
        let zone = None;
        let mut searched = vec![name.clone()];
        for column in [find(&table.email), find(USERNAME)].into_iter().flatten() {
            if !searched.contains(column) {
                searched.push(column.clone());
            }
        }
        Self {
            dialect,
            now: now(dialect, zone),
            #[cfg(feature = "django")]
            zone: zone.cloned(),
            find: format!("{select} WHERE {}", key.equals("u.", 1)).into(),
            // Two rows prove that the name is ambiguous.
            find_by_name: format!("{select} WHERE {} LIMIT 2", name.equals("u.", 1)).into(),
            filling: Filling::of(dialect, table, columns, key, name),
            key: key.clone(),
            name: name.clone(),
            password: password.clone(),
            is_active: find(&table.is_active).cloned(),
            is_staff: find(&table.is_staff).cloned(),
            is_superuser: find(&table.is_superuser).cloned(),
            last_login: find(&table.last_login).cloned(),
            users,
            rights,
            select,
            has_epochs,
            searched,
        }
    }

    /// An id as the database stores it; `None` if no row can have it.
    pub(super) fn key(&self, id: &str) -> Option<String> {
        let stored = self.key.stored(id)?;
        // Each id has one spelling: no session contains `01`.
        (self.key.kind != Kind::Number || stored == id).then_some(stored)
    }

    /// The row whose key is `$1`.
    pub(super) fn is_row(&self) -> String {
        self.key.equals("", 1)
    }

    /// A user with the id as Django writes it into sessions, and with times as points in time.
    pub(super) fn shown(&self, mut user: User) -> User {
        #[cfg(feature = "django")]
        if let Some(zone) = &self.zone {
            for time in [&mut user.date_joined, &mut user.last_login] {
                *time = time.map(|seconds| zone.instant_of_millis(seconds.saturating_mul(1000)).div_euclid(1000));
            }
        }
        if self.key.kind == Kind::UuidText {
            user.id = dashed_uuid(user.id);
        }
        user
    }

    /// The condition for a search with `$1`.
    pub(super) fn filter(&self) -> String {
        let conditions: Vec<_> = self.searched.iter().map(|column| column.like(self.dialect)).collect();
        format!("WHERE {}", conditions.join(" OR "))
    }

    /// By name, then by key, so that pages do not overlap.
    pub(super) fn order(&self) -> String {
        format!("ORDER BY u.{}, u.{}", self.name.quoted(), self.key.quoted())
    }

    /// The permissions of the user whose key is `$1`. A superuser has all that exist.
    pub(super) fn permissions(&self, is_superuser: bool) -> Option<String> {
        let Rights { user_groups, user_permissions, permission, group_permissions, content_type, .. } =
            self.rights.as_ref()?;
        let granted = if is_superuser {
            "CAST($1 AS TEXT) IS NOT NULL".to_owned()
        } else {
            format!(
                "p.id IN (SELECT permission_id FROM {} WHERE {} UNION SELECT gp.permission_id \
                 FROM {group_permissions} gp JOIN {} ug ON ug.group_id = gp.group_id WHERE {})",
                user_permissions.table,
                user_permissions.user.equals("", 1),
                user_groups.table,
                user_groups.user.equals("ug.", 1),
            )
        };
        Some(format!(
            "SELECT CAST(ct.app_label AS TEXT) || '.' || CAST(p.codename AS TEXT) FROM {permission} p \
             JOIN {content_type} ct ON ct.id = p.content_type_id WHERE {granted}"
        ))
    }

    /// The names of the groups of the user whose key is `$1`.
    pub(super) fn groups(&self) -> Option<String> {
        let Rights { user_groups, group, .. } = self.rights.as_ref()?;
        Some(format!(
            "SELECT CAST(g.name AS TEXT) FROM {group} g JOIN {} ug ON ug.group_id = g.id WHERE {} ORDER BY g.name",
            user_groups.table,
            user_groups.user.equals("ug.", 1),
        ))
    }

    /// The statement that adds a row, and its parameters in order. `key` is for `NewKey::Uuid`.
    pub(super) fn insert(&self, row: NewRow) -> (String, Vec<Value>) {
        let Filling { email, username, empty, date_joined, .. } = &self.filling;
        let mut texts = vec![(&self.password, row.password), (&self.name, row.name)];
        texts.extend(row.key.map(|key| (&self.key, key)));
        texts.extend(email.iter().map(|column| (column, row.email.clone())));
        texts.extend(username.iter().map(|column| (column, row.username.clone())));
        texts.extend(empty.iter().map(|column| (column, String::new())));
        let flags = [(&self.is_active, true), (&self.is_staff, row.is_staff), (&self.is_superuser, row.is_superuser)];

        let (mut columns, mut slots, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (column, text) in texts {
            values.push(Value::Text(text));
            columns.push(column.quoted());
            slots.push(column.parameter(values.len()));
        }
        for (column, flag) in flags {
            let Some(column) = column.as_ref().filter(|column| !columns.contains(&column.quoted())) else { continue };
            values.push(Value::Flag(flag));
            columns.push(column.quoted());
            slots.push(match column.kind {
                Kind::Number => format!("CASE WHEN ${} THEN 1 ELSE 0 END", values.len()),
                _ => format!("${}", values.len()),
            });
        }
        if let Some(column) = date_joined {
            columns.push(column.quoted());
            slots.push(self.now.to_string());
        }
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}) RETURNING CAST({} AS TEXT)",
            self.users,
            columns.join(", "),
            slots.join(", "),
            self.key.quoted()
        );
        (sql, values)
    }
}

/// The values of a new row.
pub(super) struct NewRow {
    pub(super) key: Option<String>,
    pub(super) name: String,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) password: String,
    pub(super) is_staff: bool,
    pub(super) is_superuser: bool,
}

/// The present time as the columns store it: a local time of the zone, or a point in time.
#[cfg(feature = "django")]
fn now(dialect: Dialect, zone: Option<&TimeZone>) -> Cow<'static, str> {
    let Some(zone) = zone else { return now_in_utc(dialect).into() };
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => format!("strftime('%Y-%m-%d %H:%M:%f', 'now', {})", zone.sqlite_offset()).into(),
        #[cfg(feature = "postgres")]
        Dialect::Postgres => format!("clock_timestamp() AT TIME ZONE '{}'", zone.name()).into(),
    }
}

#[cfg(not(feature = "django"))]
fn now(dialect: Dialect, _: Option<std::convert::Infallible>) -> Cow<'static, str> {
    now_in_utc(dialect).into()
}

fn now_in_utc(dialect: Dialect) -> &'static str {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        #[cfg(feature = "postgres")]
        Dialect::Postgres => "clock_timestamp()",
    }
}

/// The required columns of a user table.
struct Parts<'a> {
    key: &'a Column,
    name: &'a Column,
    password: &'a Column,
}

impl<'a> Parts<'a> {
    fn find(table: &UserTable, columns: &'a [Column]) -> Result<Self, Unfit> {
        let find = |name: &str| {
            columns.iter().find(|column| column.name == name).ok_or_else(|| Unfit::NoColumn(name.to_owned()))
        };
        let mut keys = columns.iter().filter(|column| column.is_key);
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) => key,
            // A view has no primary key.
            _ => find("id").map_err(|_| Unfit::NoKey)?,
        };
        Ok(Self { key, name: find(&table.username)?, password: find(PASSWORD)? })
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::{super::column_defaults::NewKey, *};

    fn column(name: &str, kind: Kind) -> Column {
        Column { name: name.into(), kind, is_key: name == "uid", is_filled: false, is_required: true }
    }

    fn tables(table: &UserTable, columns: &[Column]) -> Result<Tables, Unfit> {
        Tables::of(Dialect::Sqlite, "\"t\"".into(), table, columns, None, false)
    }

    #[test]
    fn a_table_needs_a_key_a_name_and_a_password_and_nothing_else() {
        let columns = ["uid", "email", "password"].map(|name| column(name, Kind::Text));
        let table = UserTable::new("t").with_username_column("email");
        let found = tables(&table, &columns).unwrap();
        assert_eq!((found.key.name.as_str(), found.name.name.as_str()), ("uid", "email"));
        assert!(found.filling.signs_in_by_email && found.filling.email.is_none());
        assert_eq!(found.filling.needed.as_deref(), Some("uid"), "the database cannot make a key of type text");
        assert_eq!(tables(&"t".into(), &columns).err(), Some(Unfit::NoColumn("username".into())));
        let none = columns.map(|column| Column { is_key: false, ..column });
        assert_eq!(tables(&table, &none).err(), Some(Unfit::NoKey));
        let [_, name, password] = &none;
        let view = [column("id", Kind::Number), name.clone(), password.clone()];
        let view = view.map(|column| Column { is_key: false, ..column });
        assert_eq!(tables(&table, &view).unwrap().key.name, "id");
    }

    #[test]
    fn a_row_fills_what_is_there_and_names_what_it_cannot_fill() {
        let names = ["username", "email", "password", "first_name", "is_admin", "phone"];
        let mut columns: Vec<_> = names.map(|name| column(name, Kind::Text)).into();
        columns.push(column("uid", Kind::UuidText));
        let table = UserTable::new("t").with_staff_column("is_admin").with_superuser_column("is_admin");
        let found = tables(&table, &columns).unwrap();
        assert_eq!((found.filling.key, found.filling.needed.as_deref()), (NewKey::Uuid, Some("phone")));
        let row = NewRow {
            key: Some("k".into()),
            name: "n".into(),
            username: String::new(),
            email: "e".into(),
            password: "p".into(),
            is_staff: true,
            is_superuser: true,
        };
        let (sql, values) = found.insert(row);
        assert_eq!(
            sql,
            "INSERT INTO \"t\" (\"password\", \"username\", \"uid\", \"email\", \"first_name\", \"is_admin\") \
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING CAST(\"uid\" AS TEXT)"
        );
        assert_eq!(values.len(), 6);
    }
}
