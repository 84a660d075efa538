//! Methods for administration and registration, beyond [`Users`].

use std::fmt;

use sqlx::{AssertSqlSafe, Row};

use super::{
    SqlUsers, case,
    column::{Column, Kind, dashed_uuid},
    filling::NewKey,
    on_connection, read_user,
    tables::{NewRow, Tables, Value},
};
use crate::{
    Error, ErrorKind, random,
    users::{AuthUser as _, ManageUsers, User, Users, normalized_name, verify::hash_password},
};

/// What [`SqlUsers::create_user`] makes a user of. Active, neither staff nor superuser, unless said otherwise.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// At most 150 letters, digits and `@.+-_`: Django's rule. Stored in [NFKC](crate::users::normalized_name).
    pub username: String,
    /// In plain text; hashed before it is stored.
    pub password: String,
    /// At most 254 characters. Its domain is stored in lower case, as Django does. Default: empty.
    pub email: String,
    /// May enter the administration. Default: no.
    pub is_staff: bool,
    /// Has every permission. Default: no.
    pub is_superuser: bool,
}

impl NewUser {
    /// A user without e-mail address and rights.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            email: String::new(),
            is_staff: false,
            is_superuser: false,
        }
    }

    /// Sets the e-mail address. Default: empty.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = email.into();
        self
    }

    /// Makes it a superuser who is staff, as Django's `createsuperuser` does. Default: neither.
    #[must_use]
    pub fn with_superuser(mut self) -> Self {
        self.is_staff = true;
        self.is_superuser = true;
        self
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("is_staff", &self.is_staff)
            .field("is_superuser", &self.is_superuser)
            .finish_non_exhaustive()
    }
}

/// Why [`SqlUsers::create_user`] made no user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateUserError {
    /// A user of that name is there already, perhaps made by another service a moment ago.
    #[error("a user with that name already exists")]
    NameTaken,
    /// The name is empty, longer than 150 characters, or has others than letters, digits and `@.+-_`.
    #[error("a user name has 1 to 150 letters, digits and @ . + - _ only")]
    InvalidName,
    /// The address is longer than 254 characters or has control characters; or users sign in with it, and it has no
    /// `@`.
    #[error("the e-mail address is not valid")]
    InvalidEmail,
    /// A user of that address is there already, and the table allows only one.
    #[error("a user with that e-mail address already exists")]
    EmailTaken,
    /// The user model asks for more than [`NewUser`] holds: this column must have a value, and the database gives it
    /// none.
    #[error(
        "the column {0} of the user table must have a value that is not asked for here: \
         create users with Django (manage.py createsuperuser), or give the column a default in the database"
    )]
    ColumnNeeded(String),
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl SqlUsers {
    /// Adds a user. Costs one password hash and three round trips; a taken name costs one.
    ///
    /// Where users sign in with their e-mail address ([`UserTable`](crate::users::UserTable)), the address of `new`
    /// is the name, or its name if that is an address. A column that the database does not fill gets what Django's
    /// own model would give it; a UUID as key is a random one.
    ///
    /// # Errors
    /// [`CreateUserError`]. Of several simultaneous calls with one name exactly one succeeds, the others get
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
        // Also as it was typed: a name in no normal form may be there by other means.
        let typed = if tables.filling.signs_in_by_email { &name } else { &new.username };
        if self.find_by_name(typed).await?.is_some() {
            return Err(CreateUserError::NameTaken);
        }
        let row = NewRow {
            key: match tables.filling.key {
                NewKey::Given => None,
                NewKey::Uuid => Some(random::uuid()?),
            },
            password: hash_password(self.hasher, &new.password).await?,
            name: name.clone(),
            username: username.clone(),
            email: email.clone(),
            is_staff: new.is_staff,
            is_superuser: new.is_superuser,
        };
        let (sql, values) = tables.insert(row);
        // A violation is an answer and not a failure, so it stays inside.
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
                Ok(user.ok_or_else(|| Error::new(ErrorKind::Refused, "the new user is not in the user table"))?)
            }
            Inserted::TooLong => Err(CreateUserError::InvalidName),
            // Another service may have been faster; or it is another column that must be unique.
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

    /// Whether a user has this name, or one that differs from it in the case of its letters only: for registrations, so
    /// that nobody passes for somebody else. Signing in stays exact. It compares what users sign in with, in
    /// [NFKC](crate::users::normalized_name), as Django's `username__iexact` does in PostgreSQL; in SQLite, whose own
    /// comparison knows the letters of ASCII only, it knows all.
    ///
    /// Reads the names of the whole table once, in the database. Between this answer and
    /// [`create_user`](Self::create_user) another registration may take the name in another case: where that must not
    /// be, give the column a unique index on its lower case.
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
    /// As [`Users`].
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

    /// Whether a user has `value` in `column`, as the column compares.
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

    /// Users whose name or e-mail address contains `search`, whatever its case, by name. An empty `search` is everyone.
    /// Reads the whole table. A row that cannot be read is left out, with a line in the log.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn list(&self, search: &str, offset: u32, limit: u32) -> Result<Vec<User>, Error> {
        if search.contains('\0') {
            return Ok(Vec::new());
        }
        let tables = self.tables();
        let (select, order) = (&tables.select, tables.order());
        let sql = if search.is_empty() {
            format!("{select} {order} LIMIT $1 OFFSET $2")
        } else {
            format!("{select} {} {order} LIMIT $2 OFFSET $3", tables.filter())
        };
        let found: Vec<sqlx::Result<User>> = on_connection!(self, Read, |connection, keeps| {
            let mut query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps);
            if !search.is_empty() {
                query = query.bind(pattern(search));
            }
            let rows = query.bind(i64::from(limit)).bind(i64::from(offset)).fetch_all(connection).await?;
            Ok(rows.iter().map(read_user).collect())
        })
        .await?;
        let rows = found.len();
        let users: Vec<User> = found.into_iter().flatten().map(|user| tables.shown(user)).collect();
        if users.len() < rows {
            tracing::warn!(rows = rows - users.len(), "rows of the user table cannot be read; a list leaves them out");
        }
        Ok(users)
    }

    /// How many users [`list`](Self::list) has for `search`.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn count(&self, search: &str) -> Result<u64, Error> {
        if search.contains('\0') {
            return Ok(0);
        }
        let tables = self.tables();
        let filter = if search.is_empty() { String::new() } else { tables.filter() };
        let sql = format!("SELECT COUNT(*) FROM {} u {filter}", tables.users);
        let count: i64 = on_connection!(self, Read, |connection, keeps| {
            let mut query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps);
            if !search.is_empty() {
                query = query.bind(pattern(search));
            }
            query.fetch_one(connection).await?.try_get(0)
        })
        .await?;
        Ok(count.unsigned_abs())
    }

    /// Says whether the user may enter the administration; answers whether there is such a user.
    ///
    /// # Errors
    /// As [`Users`]; [`ErrorKind::Config`] if the user table has no column for it.
    pub async fn set_staff(&self, id: &str, staff: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_staff.as_ref(), staff).await
    }

    /// Gives the user every permission, or takes it back; answers whether there is such a user.
    ///
    /// # Errors
    /// As [`Users`]; [`ErrorKind::Config`] if the user table has no column for it.
    pub async fn set_superuser(&self, id: &str, superuser: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_superuser.as_ref(), superuser).await
    }

    /// Notes that the user signed in just now, by the database's clock. `false` if there is no such user, or the user
    /// table has no column for it.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn record_login(&self, id: &str) -> Result<bool, Error> {
        let tables = self.tables();
        let (Some(key), Some(column)) = (tables.key(id), &tables.last_login) else { return Ok(false) };
        let set = format!("{} = {}", column.quoted(), tables.now);
        let sql = format!("UPDATE {} SET {set} WHERE {}", tables.users, tables.is_row());
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&key);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        })
        .await
    }

    async fn set_flag(&self, id: &str, column: fn(&Tables) -> Option<&Column>, value: bool) -> Result<bool, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(id) else { return Ok(false) };
        let Some(column) = column(&tables) else {
            return Err(Error::new(ErrorKind::Config, "the user table has no column for this"));
        };
        let value_of = if column.kind == Kind::Number { "CASE WHEN $2 THEN 1 ELSE 0 END" } else { "$2" };
        let sql = format!("UPDATE {} SET {} = {value_of} WHERE {}", tables.users, column.quoted(), tables.is_row());
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&key).bind(value);
            Ok(query.execute(connection).await?.rows_affected() > 0)
        })
        .await
    }
}

impl ManageUsers for SqlUsers {
    async fn set_password(&self, id: &str, password: &str) -> Result<Option<User>, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(id) else { return Ok(None) };
        let encoded = hash_password(self.hasher, password).await?;
        let sql = format!("UPDATE {} SET {} = $2 WHERE {}", tables.users, tables.password.quoted(), tables.is_row());
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps).bind(&key).bind(&encoded);
            query.execute(connection).await.map(drop)
        })
        .await?;
        self.find(id).await
    }

    async fn change_password(&self, user: &User, password: &str) -> Result<Option<User>, Error> {
        let tables = self.tables();
        let Some(key) = tables.key(&user.id) else { return Ok(None) };
        let encoded = hash_password(self.hasher, password).await?;
        let column = tables.password.quoted();
        let sql = format!("UPDATE {} SET {column} = $2 WHERE {} AND {column} = $3", tables.users, tables.is_row());
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps);
            let query = query.bind(&key).bind(&encoded).bind(user.encoded_password());
            query.execute(connection).await.map(drop)
        })
        .await?;
        // The row says what happened, also where a lost reply had the statement run twice: the salt is in no other
        // hash.
        Ok(self.find(&user.id).await?.filter(|now| now.encoded_password() == encoded))
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_active.as_ref(), active).await
    }
}

/// The length of Django's column: that of new names.
const MAX_NAME_CHARS: usize = 150;
/// PostgreSQL's word for a text that is longer than its column.
const TOO_LONG: &str = "22001";

/// The outcome of inserting a row.
enum Inserted {
    /// Its key.
    Row(String),
    Taken,
    TooLong,
}

/// What `LIKE` finds anywhere, with its wildcards taken literally.
fn pattern(search: &str) -> String {
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for character in search.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn is_valid_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && name.chars().all(|character| character.is_alphanumeric() || "@.+-_".contains(character))
}

/// An empty address is valid: the user has none.
fn is_valid_email(email: &str) -> bool {
    email.chars().count() <= 254 && !email.contains(|character: char| character.is_control())
}

fn normalized_email(email: &str) -> String {
    match email.trim().rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => email.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_follow_the_rule_of_django() {
        for good in ["a", "ann@example.org", "a.b+c-d_e", "żółć", "日本", &"x".repeat(150)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", "a b", "a\n", "a\0", "<b>", "a/b", "e\u{301}", &"x".repeat(151)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_domain_of_an_address_is_in_lower_case() {
        assert_eq!(normalized_email(" Ann@EXAMPLE.org "), "Ann@example.org");
        assert_eq!(normalized_email("a@b@C"), "a@b@c");
        assert_eq!(normalized_email("None"), "None");
    }

    #[test]
    fn wildcards_are_taken_literally() {
        assert_eq!(pattern(r"100%_\"), r"%100\%\_\\%");
    }
}
