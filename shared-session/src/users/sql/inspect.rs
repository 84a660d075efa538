//! Inspects the tables of a Django site and their columns.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};

use super::{
    Pool, SqlUsers,
    column::{Column, Kind, quoted},
    on_connection,
    statements::{Membership, Rights, Tables, Unfit},
    user_table::{AUTH_USER, UserTable},
};
use crate::error::{Error, ErrorKind};

/// An existing table.
struct Found {
    /// The name, quoted for SQL.
    sql: String,
    columns: Vec<Column>,
}

/// A name with an optional schema.
#[derive(Clone, Copy)]
struct Name<'a> {
    schema: Option<&'a str>,
    table: &'a str,
}

impl SqlUsers {
    /// Uses the tables of a Django site, and creates nothing: do not call [`migrate`](Self::migrate). `user_table` is
    /// `"auth_user"`, or the table of a custom user model, whose columns a [`UserTable`] names; `schema.table` is
    /// allowed. Inspects the tables once.
    ///
    /// Groups and permissions are found beside it (`accounts_user_groups`); a model without Django's `PermissionsMixin`
    /// has neither.
    ///
    /// Also give the session manager [`SecretKeys::django`](crate::SecretKeys::django): Django's tables have no epochs,
    /// so every epoch is 0 and cannot be raised.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the table is missing, or its key, its password or its sign-in column.
    pub async fn with_django_tables(mut self, user_table: impl Into<UserTable>) -> Result<Self, Error> {
        let tables = self.inspect(&user_table.into(), false).await?;
        self.tables = Arc::new(std::sync::RwLock::new(Arc::new(tables)));
        Ok(self)
    }

    /// The names, types and statements for `user_table` and the tables that refer to it.
    pub(super) async fn inspect(&self, user_table: &UserTable, has_epochs: bool) -> Result<Tables, Error> {
        let name = &user_table.name;
        let Some((found, at)) = self.find_users(name).await? else {
            return Err(Error::new(ErrorKind::Config, format!("the table {name} is missing: run manage.py migrate")));
        };
        let rights = self.rights(at, name == AUTH_USER).await?;
        let tables = Tables::of(self.dialect(), found.sql, user_table, &found.columns, rights, has_epochs);
        let tables = tables.map_err(|unfit| refusal(name, &unfit, &found.columns))?;
        // Let the database decide whether these types can be read this way.
        let sql = format!("{} LIMIT 0", tables.select);
        let read = on_connection!(self, Read, |connection, keeps| {
            sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).execute(connection).await.map(drop)
        })
        .await;
        match read {
            Err(error) if error.kind() == ErrorKind::Database => {
                Err(Error::new(ErrorKind::Config, format!("the table {name} cannot be read as a user table: {error}")))
            }
            read => read.map(|()| tables),
        }
    }

    /// `name` may include a schema, but Django also makes tables with a dot in their name.
    async fn find_users<'a>(&self, name: &'a str) -> Result<Option<(Found, Name<'a>)>, Error> {
        let plain = Name { schema: None, table: name };
        let qualified = name.split_once('.').map(|(schema, table)| Name { schema: Some(schema), table });
        for at in qualified.into_iter().chain([plain]) {
            if let Some(found) = self.table(at).await? {
                return Ok(Some((found, at)));
            }
        }
        Ok(None)
    }

    /// Groups and permissions of the users in the table `users`. Those of Django's own model must exist.
    async fn rights(&self, users: Name<'_>, are_needed: bool) -> Result<Option<Rights>, Error> {
        let groups = format!("{}_groups", users.table);
        let permissions = format!("{}_user_permissions", users.table);
        let user_groups = self.membership(Name { table: &groups, ..users }, "group_id").await?;
        let user_permissions = self.membership(Name { table: &permissions, ..users }, "permission_id").await?;
        let missing =
            |table: &str| Error::new(ErrorKind::Config, format!("the table {table} is missing: run manage.py migrate"));
        let (user_groups, user_permissions) = match (user_groups, user_permissions) {
            (Some(user_groups), Some(user_permissions)) => (user_groups, user_permissions),
            (None, None) if !are_needed => return Ok(None),
            (None, _) => return Err(missing(&groups)),
            (_, None) => return Err(missing(&permissions)),
        };
        let shared = async |table: &str| {
            // They are on the search path, or in the schema of the users.
            for schema in [None, users.schema] {
                if let Some(found) = self.table(Name { schema, table }).await? {
                    return Ok(found.sql);
                }
            }
            Err(missing(table))
        };
        Ok(Some(Rights {
            user_groups,
            user_permissions,
            group: shared("auth_group").await?,
            permission: shared("auth_permission").await?,
            group_permissions: shared("auth_group_permissions").await?,
            content_type: shared("django_content_type").await?,
        }))
    }

    /// The column for the user is named after the model, which the table's name does not reveal.
    async fn membership(&self, name: Name<'_>, other: &str) -> Result<Option<Membership>, Error> {
        let Some(found) = self.table(name).await? else { return Ok(None) };
        let mut columns = found.columns.into_iter();
        let user = columns.find(|column| !column.is_key && column.name != "id" && column.name != other);
        Ok(user.map(|user| Membership { table: found.sql, user }))
    }

    /// The table with that name, unless it is missing.
    async fn table(&self, Name { schema, table }: Name<'_>) -> Result<Option<Found>, Error> {
        let sql = match schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(table),
        };
        let (query, argument) = match &self.pool {
            // Django uses no attached database.
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) if schema.is_some_and(|schema| schema != "main") => return Ok(None),
            #[cfg(feature = "sqlite")]
            Pool::Sqlite(_) => (
                "SELECT name, lower(type), '', pk > 0, dflt_value IS NOT NULL, \"notnull\" <> 0 \
                 FROM pragma_table_info($1)",
                table,
            ),
            #[cfg(feature = "postgres")]
            Pool::Postgres(_) => (POSTGRES_COLUMNS, sql.as_str()),
        };
        let columns: Vec<Column> = on_connection!(self, Read, |connection, keeps| {
            let rows = sqlx::query(query).persistent(keeps).bind(argument).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    let (base, category): (String, String) = (row.try_get(1)?, row.try_get(2)?);
                    Ok(Column {
                        name: row.try_get(0)?,
                        kind: Kind::of(self.dialect(), &base, &category),
                        is_key: row.try_get(3)?,
                        is_filled: row.try_get(4)?,
                        is_required: row.try_get(5)?,
                    })
                })
                .collect()
        })
        .await?;
        Ok((!columns.is_empty()).then_some(Found { sql, columns }))
    }
}

/// The columns of the table `$1` in their order: name, type (of a domain, its base type), the type's category, whether
/// it is the primary key, whether the database fills it, whether it requires a value.
#[cfg(feature = "postgres")]
const POSTGRES_COLUMNS: &str = "\
    SELECT CAST(a.attname AS TEXT), format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, -1), \
    CAST(t.typcategory AS TEXT), COALESCE(a.attnum = ANY(i.indkey), FALSE), \
    a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, a.attnotnull OR t.typnotnull \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// `ErrorKind::Config`: no migration would help.
fn refusal(table: &str, unfit: &Unfit, columns: &[Column]) -> Error {
    let there: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let there = there.join(", ");
    let message = match unfit {
        Unfit::NoKey => format!("the table {table} has no primary key and no column id; it has {there}"),
        Unfit::NoColumn(column) => format!(
            "the table {table} has no column {column}: name the column that users sign in with, or the table; \
             it has {there}"
        ),
    };
    Error::new(ErrorKind::Config, message)
}
