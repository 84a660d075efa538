//! Creation of users.

use sqlx::{AssertSqlSafe, Row};

use crate::{
    error::{Error, ErrorKind},
    random,
    users::{
        User, Users as _, normalized_name,
        sql::{
            CreateUserError, NewUser, SqlUsers, case,
            column::{Column, Kind, dashed_uuid},
            column_defaults::NewKey,
            new_user::{is_valid_email, is_valid_name, normalized_email},
            on_connection,
            statements::{NewRow, Value},
        },
    },
};

/// PostgreSQL's code for a text that is longer than its column.
const TOO_LONG: &str = "22001";

/// The outcome of inserting a row.
enum Inserted {
    /// Its key.
    Row(String),
    Taken,
    TooLong,
}

impl SqlUsers {
    /// Adds a user. Costs one password hash and three round trips; a taken name costs one.
    ///
    /// If users sign in with their e-mail address ([`UserTable`](crate::users::UserTable)), the address of `new` is the
    /// name, or its name if that is an address. A column that the database does not fill gets the default of Django's
    /// own model; a UUID key is random.
    ///
    /// # Errors
    /// [`CreateUserError`]. Exactly one of several simultaneous calls with one name succeeds; the others get
    /// [`CreateUserError::NameTaken`].
    pub async fn create_user(&self, new: NewUser) -> Result<User, CreateUserError> {
        let tables = self.tables();
        let mut email = normalized_email(&new.email);
        let username = normalized_name(&new.username);
        let name = if tables.filling.signs_in_by_email {
            if email.is_empty() {
                email = normalized_email(&username);
            }
            email.clone()
        } else {
            username.clone()
        };
        let needs_username = !tables.filling.signs_in_by_email || tables.filling.username.is_some();
        if needs_username && !is_valid_name(&username) {
            return Err(CreateUserError::InvalidName);
        }
        if !is_valid_email(&email) || tables.filling.signs_in_by_email && !email.contains('@') {
            return Err(CreateUserError::InvalidEmail);
        }
        if new.is_superuser && tables.is_superuser.is_none() || new.is_staff && tables.is_staff.is_none() {
            let message = "the user table has no columns for staff and superusers: use manage.py createsuperuser";
            return Err(Error::new(ErrorKind::Config, message).into());
        }
        if let Some(column) = &tables.filling.needed {
            return Err(CreateUserError::ColumnNeeded(column.clone()));
        }
        // Also check the name as typed: the table may hold a name that is not normalized.
        let typed = if tables.filling.signs_in_by_email { &name } else { &new.username };
        if self.find_by_name(typed).await?.is_some() {
            return Err(CreateUserError::NameTaken);
        }
        let row = NewRow {
            key: match tables.filling.key {
                NewKey::Given => None,
                NewKey::Uuid => Some(random::uuid()?),
            },
            password: self.hasher.hash(&new.password).await?,
            name: name.clone(),
            username: username.clone(),
            email: email.clone(),
            is_staff: new.is_staff,
            is_superuser: new.is_superuser,
        };
        let (sql, values) = tables.insert(row);
        // A violation is a result and not a failure, so it stays inside.
        let inserted: Inserted = on_connection!(self, Write, |connection, keeps| {
            let mut insert = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps);
            for value in &values {
                insert = match value {
                    Value::Text(text) => insert.bind(text),
                    Value::Flag(flag) => insert.bind(flag),
                };
            }
            match insert.fetch_one(connection).await {
                Ok(row) => row.try_get(0).map(Inserted::Row),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Inserted::Taken),
                Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == TOO_LONG) => {
                    Ok(Inserted::TooLong)
                }
                Err(error) => Err(error),
            }
        })
        .await?;
        match inserted {
            Inserted::Row(key) => {
                let id = if tables.key.kind == Kind::UuidText { dashed_uuid(key) } else { key };
                let user = self.find(&id).await?;
                Ok(user.ok_or_else(|| Error::new(ErrorKind::Database, "the new user is not in the user table"))?)
            }
            Inserted::TooLong => Err(CreateUserError::InvalidName),
            // Another service may have been faster, or another column must be unique.
            Inserted::Taken if self.find_by_name(&name).await?.is_some() => Err(CreateUserError::NameTaken),
            Inserted::Taken if self.is_taken(tables.filling.username.as_ref(), &username).await? => {
                Err(CreateUserError::NameTaken)
            }
            Inserted::Taken if self.is_taken(tables.filling.email.as_ref(), &email).await? => {
                Err(CreateUserError::EmailTaken)
            }
            Inserted::Taken => Err(CreateUserError::NameTaken),
        }
    }

    /// Whether a user has this name, or one that differs from it only in the case of its letters: for registrations, so
    /// that no user can impersonate another. Signing in stays exact. It compares the sign-in column in
    /// [NFKC](crate::users::normalized_name), as Django's `username__iexact` does in PostgreSQL. SQLite's own
    /// comparison folds the case of ASCII letters only; this method folds all letters there too.
    ///
    /// Reads the names of the whole table once, in the database. Between this call and
    /// [`create_user`](Self::create_user) another registration may take the name in another case: to prevent that, give
    /// the column a unique index on its lower case.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use shared_session::users::{NewUser, SqlUsers};
    ///
    /// let users = SqlUsers::connect("sqlite::memory:").await?;
    /// users.migrate().await?;
    /// users.create_user(NewUser::new("Ann", "correct horse")).await?;
    /// assert!(users.has_name_in_any_case("aNN").await?);
    /// assert!(!users.has_name_in_any_case("anne").await?);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`Users`](crate::users::Users).
    pub async fn has_name_in_any_case(&self, name: &str) -> Result<bool, Error> {
        if name.is_empty() || name.contains('\0') {
            return Ok(false);
        }
        let (tables, name) = (self.tables(), normalized_name(name));
        let name_of = tables.name.text();
        let sql = format!("SELECT {name_of} FROM {} u WHERE {}", tables.users, tables.name.like(self.dialect()));
        let pattern = case::pattern(&name);
        let near: Vec<Option<String>> = on_connection!(self, Read, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&pattern);
            query.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
        })
        .await?;
        let wanted = case::folded(&name);
        Ok(near.into_iter().flatten().any(|near| case::folded(&normalized_name(&near)) == wanted))
    }

    /// Whether a user has `value` in `column`, by the column's own comparison.
    async fn is_taken(&self, column: Option<&Column>, value: &str) -> Result<bool, Error> {
        let Some((column, value)) = column.and_then(|column| Some((column, column.stored(value)?))) else {
            return Ok(false);
        };
        let sql = format!("SELECT COUNT(*) FROM {} WHERE {}", self.tables().users, column.equals("", 1));
        let count: i64 = on_connection!(self, Read, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&value);
            query.fetch_one(connection).await?.try_get(0)
        })
        .await?;
        Ok(count > 0)
    }
}
