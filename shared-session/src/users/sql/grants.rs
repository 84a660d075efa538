//! Groups and permissions: their lists, and their assignment to users.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection as _, Row};

use super::{
    SqlUsers,
    column::Dialect,
    on_connection,
    statements::{Membership, Rights, Tables},
};
use crate::{
    error::{Error, ErrorKind},
    users::User,
};

/// A group of users, and the permissions of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The id, which stays when the name changes.
    pub id: i64,
    /// The unique name.
    pub name: String,
    /// Permissions as `app.codename`.
    pub permissions: BTreeSet<String>,
}

/// A permission that users can have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// `app.codename`, as [`AuthUser::has_perm`](crate::users::AuthUser::has_perm) takes it.
    pub name: String,
    /// The title shown in lists: `Can change user`.
    pub title: String,
}

/// Groups and permissions, as in Django's administration. The effective permissions are those of the user and of all
/// the user's groups together: [`Users::permissions`](crate::users::Users::permissions). A change takes effect with the
/// next request and ends no session.
///
/// A user model without Django's `PermissionsMixin` has neither: lists are empty, and a change is
/// [`ErrorKind::Config`].
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_session::users::{NewUser, SqlUsers, Users};
///
/// let users = SqlUsers::connect("sqlite::memory:").await?;
/// users.migrate().await?;
/// users.add_permission("blog", "post", "change_post", "Can change post").await?;
/// users.save_group("editors", &["blog.change_post".to_owned()].into()).await?;
///
/// let ann = users.create_user(NewUser::new("ann", "correct horse")).await?;
/// assert!(users.change_groups(&ann.id, &["editors".to_owned()].into(), &[].into()).await?);
/// assert_eq!(users.groups(&ann).await?, ["editors"]);
/// assert!(users.permissions(&ann).await?.contains("blog.change_post"));
/// assert!(users.own_permissions(&ann).await?.is_empty());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
impl SqlUsers {
    /// All groups with their permissions, by name. One round trip.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users).
    pub async fn all_groups(&self) -> Result<Vec<Group>, Error> {
        let Some(sql) = self.tables().rights.as_ref().map(Rights::all_groups) else { return Ok(Vec::new()) };
        let rows: Vec<(i64, String, Option<String>)> = on_connection!(self, Read, |connection, keeps| {
            let rows = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).fetch_all(connection).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
        })
        .await?;
        let mut groups = BTreeMap::<(String, i64), BTreeSet<String>>::new();
        for (id, name, permission) in rows {
            groups.entry((name, id)).or_default().extend(permission);
        }
        Ok(groups.into_iter().map(|((name, id), permissions)| Group { id, name, permissions }).collect())
    }

    /// All permissions, by name. Permissions that differ only in their model are one here, as in permission checks. One
    /// round trip.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users).
    pub async fn all_permissions(&self) -> Result<Vec<Permission>, Error> {
        let Some(sql) = self.tables().rights.as_ref().map(Rights::all_permissions) else { return Ok(Vec::new()) };
        let rows = self.pairs(&sql, None).await?;
        let mut found = BTreeMap::<String, String>::new();
        for (name, title) in rows {
            found.entry(name).or_insert_with(|| title.unwrap_or_default());
        }
        Ok(found.into_iter().map(|(name, title)| Permission { name, title }).collect())
    }

    /// The permissions that the user has directly, not by a group; also for an inactive user or a superuser. One round
    /// trip.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users).
    pub async fn own_permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        let tables = self.tables();
        let (Some(rights), Some(key)) = (&tables.rights, tables.key(&user.id)) else { return Ok(BTreeSet::new()) };
        let rows = self.pairs(&rights.own_permissions(), Some(&key)).await?;
        Ok(rows.into_iter().map(|(name, _)| name).collect())
    }

    /// Adds the user to the groups in `add` and removes the user from those in `remove`; returns whether the user
    /// exists. All other groups stay as they are, even under simultaneous changes. Unknown names are ignored; a name in
    /// both is removed. One transaction of three or four statements.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`] if the user model has no groups.
    pub async fn change_groups(
        &self,
        id: &str,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<bool, Error> {
        let tables = self.tables();
        let rights = needed(&tables)?;
        let Some(key) = tables.key(id) else { return Ok(false) };
        let named = rights.groups_named(self.dialect());
        let grants = GrantTable::of_user(&tables, &rights.user_groups, "group_id", named);
        self.write(&key, &grants, [(grants.add(), add), (grants.remove(), remove)]).await
    }

    /// Grants the user the permissions in `add` and revokes those in `remove`; returns whether the user exists. All
    /// other permissions, and those of groups, stay as they are, even under simultaneous changes. Unknown names are
    /// ignored; a name in both is revoked. One transaction of three or four statements.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`] if the user model has no permissions.
    pub async fn change_permissions(
        &self,
        id: &str,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<bool, Error> {
        let tables = self.tables();
        let rights = needed(&tables)?;
        let Some(key) = tables.key(id) else { return Ok(false) };
        let named = rights.permissions_named(self.dialect());
        let grants = GrantTable::of_user(&tables, &rights.user_permissions, "permission_id", named);
        self.write(&key, &grants, [(grants.add(), add), (grants.remove(), remove)]).await
    }

    /// Creates the group if it is missing, and gives it exactly these permissions. Unknown names are ignored. One round
    /// trip, then one transaction of three or four statements.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`] if the user model has no groups, or if the name is
    /// empty or longer than Django's 150 characters.
    pub async fn save_group(&self, name: &str, permissions: &BTreeSet<String>) -> Result<(), Error> {
        let tables = self.tables();
        let rights = needed(&tables)?;
        check_name(name)?;
        let group = &rights.group;
        self.run(&format!("INSERT INTO {group} (name) VALUES ($1) ON CONFLICT DO NOTHING"), &[name]).await?;
        let grants =
            rights.permissions_of("name = $1", &format!("(SELECT id FROM {group} WHERE name = $1)"), self.dialect());
        self.write(name, &grants, [(grants.remove_others(), permissions), (grants.add(), permissions)]).await.map(drop)
    }

    /// Adds the permission `app.codename` for a model of that app, if it is missing, as Django does for its models
    /// (`auth`, `user`, `change_user`, `Can change user`). If Django shares the tables, it has already done so. Two
    /// round trips.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`] if the user model has no permissions.
    pub async fn add_permission(&self, app: &str, model: &str, codename: &str, title: &str) -> Result<(), Error> {
        let tables = self.tables();
        let Rights { permission, content_type, .. } = needed(&tables)?;
        let sql = format!("INSERT INTO {content_type} (app_label, model) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        self.run(&sql, &[app, model]).await?;
        let sql = format!(
            "INSERT INTO {permission} (content_type_id, codename, name) SELECT id, $3, $4 FROM {content_type} \
             WHERE app_label = $1 AND model = $2 ON CONFLICT DO NOTHING"
        );
        self.run(&sql, &[app, model, codename, title]).await
    }

    /// Rows of a name and a text, without those whose name is NULL.
    async fn pairs(&self, sql: &str, key: Option<&str>) -> Result<Vec<(String, Option<String>)>, Error> {
        let rows: Vec<(Option<String>, Option<String>)> = on_connection!(self, Read, |connection, keeps| {
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keeps);
            if let Some(key) = key {
                query = query.bind(key);
            }
            let rows = query.fetch_all(connection).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
        .await?;
        Ok(rows.into_iter().filter_map(|(name, text)| Some((name?, text))).collect())
    }

    async fn run(&self, sql: &str, values: &[&str]) -> Result<(), Error> {
        on_connection!(self, Write, |connection, keeps| {
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keeps);
            for value in values {
                query = query.bind(*value);
            }
            query.execute(connection).await.map(drop)
        })
        .await
    }

    /// Runs the statements, each over its names, in one transaction. Returns whether `key` exists.
    pub(super) async fn write(
        &self,
        key: &str,
        grants: &GrantTable<'_>,
        statements: [(String, &BTreeSet<String>); 2],
    ) -> Result<bool, Error> {
        let (lock, exists) = (grants.lock(self.dialect()), grants.exists());
        let statements = statements
            .map(|(sql, names)| (sql, serde_json::Value::from_iter(names.iter().map(String::as_str)).to_string()));
        let found: i64 = on_connection!(self, Write, |connection, keeps| {
            let mut transaction = connection.begin().await?;
            if let Some(lock) = &lock {
                let query = sqlx::query(AssertSqlSafe(&**lock)).persistent(keeps).bind(key);
                query.execute(&mut *transaction).await?;
            }
            for (sql, names) in &statements {
                let query = sqlx::query(AssertSqlSafe(&**sql)).persistent(keeps).bind(key).bind(names);
                query.execute(&mut *transaction).await?;
            }
            let query = sqlx::query(AssertSqlSafe(&*exists)).persistent(keeps).bind(key);
            let found = query.fetch_one(&mut *transaction).await?.try_get(0)?;
            transaction.commit().await?;
            Ok(found)
        })
        .await?;
        Ok(found > 0)
    }
}

/// Where the items of an owner (`$1`) are stored; a JSON array (`$2`) names some of the items.
pub(super) struct GrantTable<'a> {
    table: &'a str,
    /// The column for the owner, as SQL.
    column: String,
    /// Finds the owner's rows.
    is_owner: String,
    /// The owner, in that column.
    value: String,
    /// The column for the item.
    other: &'static str,
    /// A query for the ids of the named items.
    named: String,
    /// The owner's table, and the condition that finds the owner.
    row: String,
}

impl<'a> GrantTable<'a> {
    fn of_user(tables: &Tables, membership: &'a Membership, other: &'static str, named: String) -> Self {
        let Membership { table, user } = membership;
        Self {
            table,
            column: user.quoted(),
            is_owner: user.equals("", 1),
            value: user.parameter(1),
            other,
            named,
            row: format!("{} WHERE {}", tables.users, tables.is_row()),
        }
    }

    /// Serializes transactions. In SQLite the first write does that, so it must come first.
    fn lock(&self, dialect: Dialect) -> Option<String> {
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => None,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Some(format!("SELECT 1 FROM {} FOR NO KEY UPDATE", self.row)),
        }
    }

    /// Counts the owner.
    fn exists(&self) -> String {
        format!("SELECT COUNT(*) FROM {}", self.row)
    }

    /// Adds the named items that the owner lacks.
    pub(super) fn add(&self) -> String {
        let Self { table, column, is_owner, value, other, named, .. } = self;
        let exists = self.exists();
        format!(
            "INSERT INTO {table} ({column}, {other}) SELECT {value}, c.id FROM ({named}) c WHERE ({exists}) > 0 \
             AND c.id NOT IN (SELECT {other} FROM {table} WHERE {is_owner} AND {other} IS NOT NULL) \
             ON CONFLICT DO NOTHING"
        )
    }

    pub(super) fn remove(&self) -> String {
        let Self { table, is_owner, other, named, .. } = self;
        format!("DELETE FROM {table} WHERE {is_owner} AND {other} IN ({named})")
    }

    fn remove_others(&self) -> String {
        let Self { table, is_owner, other, named, .. } = self;
        format!("DELETE FROM {table} WHERE {is_owner} AND {other} NOT IN ({named})")
    }
}

impl Rights {
    /// The name of a permission in a statement where `p` is its row and `ct` that of its model.
    const NAME: &str = "CAST(ct.app_label AS TEXT) || '.' || CAST(p.codename AS TEXT)";

    fn all_groups(&self) -> String {
        let Self { group, group_permissions, permission, content_type, .. } = self;
        format!(
            "SELECT CAST(g.id AS BIGINT), CAST(g.name AS TEXT), {} FROM {group} g LEFT JOIN {group_permissions} gp ON gp.group_id = g.id \
             LEFT JOIN {permission} p ON p.id = gp.permission_id \
             LEFT JOIN {content_type} ct ON ct.id = p.content_type_id",
            Self::NAME
        )
    }

    fn all_permissions(&self) -> String {
        let Self { permission, content_type, .. } = self;
        format!(
            "SELECT {}, CAST(p.name AS TEXT) FROM {permission} p \
             JOIN {content_type} ct ON ct.id = p.content_type_id ORDER BY p.id",
            Self::NAME
        )
    }

    /// The permissions of the group with this `id`; `is_group` finds it among the groups. Both use `$1`.
    pub(super) fn permissions_of(&self, is_group: &str, id: &str, dialect: Dialect) -> GrantTable<'_> {
        GrantTable {
            table: &self.group_permissions,
            column: "group_id".to_owned(),
            is_owner: format!("group_id = {id}"),
            value: id.to_owned(),
            other: "permission_id",
            named: self.permissions_named(dialect),
            row: format!("{} WHERE {is_group}", self.group),
        }
    }

    /// The permissions of the user whose key is `$1`.
    fn own_permissions(&self) -> String {
        let Self { permission, content_type, user_permissions, .. } = self;
        format!(
            "SELECT {}, CAST(NULL AS TEXT) FROM {permission} p JOIN {content_type} ct ON ct.id = p.content_type_id \
             JOIN {} up ON up.permission_id = p.id WHERE {}",
            Self::NAME,
            user_permissions.table,
            user_permissions.user.equals("up.", 1),
        )
    }

    /// The ids of the groups that `$2` names.
    fn groups_named(&self, dialect: Dialect) -> String {
        format!("SELECT g.id FROM {} g WHERE CAST(g.name AS TEXT) IN ({})", self.group, named(dialect))
    }

    /// The ids of the permissions that `$2` names.
    fn permissions_named(&self, dialect: Dialect) -> String {
        let Self { permission, content_type, .. } = self;
        format!(
            "SELECT p.id FROM {permission} p JOIN {content_type} ct ON ct.id = p.content_type_id WHERE {} IN ({})",
            Self::NAME,
            named(dialect)
        )
    }
}

/// The items of the JSON array `$2`.
fn named(dialect: Dialect) -> &'static str {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => "SELECT value FROM json_each($2)",
        #[cfg(feature = "postgres")]
        Dialect::Postgres => "SELECT jsonb_array_elements_text(CAST($2 AS jsonb))",
    }
}

pub(super) fn needed(tables: &Tables) -> Result<&Rights, Error> {
    let message = "the users of this site have no groups and no permissions";
    tables.rights.as_ref().ok_or_else(|| Error::new(ErrorKind::Config, message))
}

/// The limits of Django's column.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if (1..=150).contains(&name.chars().count()) && !name.contains('\0') {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, "a group name must have 1 to 150 characters"))
}
