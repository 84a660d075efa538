//! Groups themselves: creation, renaming, changes and deletion, as in Django's administration.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection as _, Row};

use super::{
    SqlUsers,
    column::Dialect,
    grants::{check_name, needed},
    on_connection,
    statements::Rights,
};
use crate::error::Error;

/// Finds a group by the id in `$1`.
const IS_GROUP: &str = "id = CAST($1 AS BIGINT)";

/// The outcome of [renaming a group](SqlUsers::rename_group).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renamed {
    /// The group has the new name.
    Done,
    /// Another group has the name, and nothing changed.
    NameTaken,
    /// There is no such group.
    NoSuchGroup,
}

/// Groups are created and deleted while services run. Every call names a group by its [id](super::Group::id), which
/// stays when the name changes. A change takes effect with the next request and ends no session.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_session::users::{Renamed, SqlUsers};
///
/// let users = SqlUsers::connect("sqlite::memory:").await?;
/// users.migrate().await?;
/// users.add_permission("blog", "post", "change_post", "Can change post").await?;
///
/// let writers = users.create_group("writers").await?.expect("the name is free");
/// assert_eq!(users.create_group("writers").await?, None);
/// assert_eq!(users.rename_group(writers, "editors").await?, Renamed::Done);
/// assert!(users.change_group_permissions(writers, &["blog.change_post".to_owned()].into(), &[].into()).await?);
/// assert!(users.all_groups().await?[0].permissions.contains("blog.change_post"));
/// assert!(users.delete_group(writers).await?);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
impl SqlUsers {
    /// Adds a group without members and permissions. Returns its id, or `None` if the name is taken; exactly one of
    /// several simultaneous calls with one name adds it. One round trip.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`](crate::ErrorKind::Config) if the user model has no
    /// groups, or if the name is empty or longer than Django's 150 characters.
    pub async fn create_group(&self, name: &str) -> Result<Option<i64>, Error> {
        let tables = self.tables();
        let Rights { group, .. } = needed(&tables)?;
        check_name(name)?;
        let sql = format!("INSERT INTO {group} (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING CAST(id AS BIGINT)");
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(name);
            query.fetch_optional(connection).await?.map(|row| row.try_get(0)).transpose()
        })
        .await
    }

    /// Renames a group. Members, permissions and id stay. One round trip.
    ///
    /// # Errors
    /// As [`create_group`](Self::create_group).
    pub async fn rename_group(&self, id: i64, name: &str) -> Result<Renamed, Error> {
        let tables = self.tables();
        let Rights { group, .. } = needed(&tables)?;
        check_name(name)?;
        let (sql, id) = (format!("UPDATE {group} SET name = $2 WHERE {IS_GROUP}"), id.to_string());
        // A violation is a result and not a failure, so it stays inside.
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&id).bind(name);
            match query.execute(connection).await {
                Ok(done) if done.rows_affected() == 0 => Ok(Renamed::NoSuchGroup),
                Ok(_) => Ok(Renamed::Done),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Renamed::NameTaken),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Grants a group the permissions in `add` and revokes those in `remove`; returns whether the group exists. All
    /// others stay as they are, even under simultaneous changes. Unknown names are ignored; a name in both is revoked.
    /// One transaction of three or four statements.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Config`](crate::ErrorKind::Config) if the user model has no
    /// groups.
    pub async fn change_group_permissions(
        &self,
        id: i64,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
    ) -> Result<bool, Error> {
        let tables = self.tables();
        let rights = needed(&tables)?;
        // Read from the table: a number that the column cannot hold is an unknown id.
        let own = format!("(SELECT id FROM {} WHERE {IS_GROUP})", rights.group);
        let place = rights.permissions_of(IS_GROUP, &own, self.dialect());
        self.write(&id.to_string(), &place, [(place.add(), add), (place.remove(), remove)]).await
    }

    /// The number of members of a group, including inactive ones; 0 if the group does not exist. One round trip.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users).
    pub async fn count_members(&self, id: i64) -> Result<u64, Error> {
        let tables = self.tables();
        let Some(rights) = &tables.rights else { return Ok(0) };
        let sql = format!("SELECT COUNT(*) FROM {} WHERE group_id = CAST($1 AS BIGINT)", rights.user_groups.table);
        let id = id.to_string();
        let count: i64 = on_connection!(self, Read, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&id);
            query.fetch_one(connection).await?.try_get(0)
        })
        .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Deletes a group; returns whether it existed. Its members lose it and keep everything else. One transaction of
    /// three or four statements.
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users); [`ErrorKind::Database`](crate::ErrorKind::Database) if a table outside of
    /// Django's `auth` refers to the group; [`ErrorKind::Config`](crate::ErrorKind::Config) if the user model has no
    /// groups.
    pub async fn delete_group(&self, id: i64) -> Result<bool, Error> {
        let tables = self.tables();
        let Rights { group, user_groups, group_permissions, .. } = needed(&tables)?;
        let id = id.to_string();
        let lock = match self.dialect() {
            // The first write serializes transactions.
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => None,
            // Prevents a user from joining a group during its deletion.
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Some(format!("SELECT 1 FROM {group} WHERE {IS_GROUP} FOR UPDATE")),
        };
        let of_group = |table: &str| format!("DELETE FROM {table} WHERE group_id = CAST($1 AS BIGINT)");
        let before = [lock, Some(of_group(&user_groups.table)), Some(of_group(group_permissions))];
        let delete = format!("DELETE FROM {group} WHERE {IS_GROUP}");
        on_connection!(self, Write, |connection, keeps| {
            let mut transaction = connection.begin().await?;
            for sql in before.iter().flatten() {
                let query = sqlx::query(AssertSqlSafe(&**sql)).persistent(keeps).bind(&id);
                query.execute(&mut *transaction).await?;
            }
            let query = sqlx::query(AssertSqlSafe(&*delete)).persistent(keeps).bind(&id);
            let deleted = query.execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            Ok(deleted > 0)
        })
        .await
    }
}
