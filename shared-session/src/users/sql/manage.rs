//! What administration and registration need beyond [`Users`].

use std::fmt;

use sqlx::{AssertSqlSafe, Row};

use super::{SqlUsers, failed, on_pool, read_user, within};
use crate::{
    Error, ErrorKind,
    users::{MAX_NAME_CHARS, User, Users, normalized_name, verify::hash_password},
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
    /// The address is longer than 254 characters, or has a zero byte.
    #[error("the e-mail address is not valid")]
    InvalidEmail,
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl SqlUsers {
    /// Adds a user. Costs one password hash and three round trips; a taken name costs one.
    ///
    /// # Errors
    /// [`CreateUserError`]. Of several simultaneous calls with one name exactly one succeeds, the others get
    /// [`CreateUserError::NameTaken`]. A table whose key is not a number refuses with [`ErrorKind::Config`].
    pub async fn create_user(&self, new: NewUser) -> Result<User, CreateUserError> {
        let username = normalized_name(&new.username);
        let email = normalized_email(&new.email);
        if !is_valid_name(&username) {
            return Err(CreateUserError::InvalidName);
        }
        if email.chars().count() > 254 || email.contains('\0') {
            return Err(CreateUserError::InvalidEmail);
        }
        if !self.tables.numbers_keys() {
            return Err(Error::new(ErrorKind::Config, "the user table does not number its rows").into());
        }
        if self.find_by_name(&username).await?.is_some() {
            return Err(CreateUserError::NameTaken);
        }
        let password = hash_password(self.hasher, &new.password).await?;
        let sql = format!(
            "INSERT INTO {} (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, \
             date_joined) VALUES ($1, $2, $3, '', '', $4, $5, $6, {}) RETURNING CAST(id AS TEXT)",
            self.tables.users, self.tables.now
        );
        // The violation is an answer and not a failure, so it stays inside.
        let id: Option<String> = on_pool!(self, pool => within(async {
            let inserted = sqlx::query(AssertSqlSafe(sql))
                .bind(password)
                .bind(new.is_superuser)
                .bind(username)
                .bind(email)
                .bind(new.is_staff)
                .bind(true)
                .fetch_one(pool)
                .await;
            match inserted {
                Ok(row) => row.try_get(0).map(Some),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
                Err(error) => Err(error),
            }
        }).await)?;
        let id = id.ok_or(CreateUserError::NameTaken)?;
        let user = self.find(&id).await?;
        Ok(user.ok_or_else(|| failed(sqlx::Error::RowNotFound))?)
    }

    /// Users whose name or e-mail address contains `search`, whatever its case, by name. An empty `search` is everyone.
    /// Reads the whole table.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn list(&self, search: &str, offset: u32, limit: u32) -> Result<Vec<User>, Error> {
        if search.contains('\0') {
            return Ok(Vec::new());
        }
        let filter = self.filter();
        let sql = format!("{} {filter} ORDER BY u.username LIMIT $2 OFFSET $3", self.tables.select);
        let found: Vec<User> = on_pool!(self, pool => within(async {
            let query = sqlx::query(AssertSqlSafe(sql)).bind(pattern(search));
            let rows = query.bind(i64::from(limit)).bind(i64::from(offset)).fetch_all(pool).await?;
            rows.iter().map(read_user).collect()
        }).await)?;
        Ok(found.into_iter().map(|user| self.tables.shown(user)).collect())
    }

    /// How many users [`list`](Self::list) has for `search`.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn count(&self, search: &str) -> Result<u64, Error> {
        if search.contains('\0') {
            return Ok(0);
        }
        let sql = format!("SELECT COUNT(*) FROM {} u {}", self.tables.users, self.filter());
        let count: i64 = on_pool!(self, pool => within(async {
            sqlx::query(AssertSqlSafe(sql)).bind(pattern(search)).fetch_one(pool).await?.try_get(0)
        }).await)?;
        Ok(count.unsigned_abs())
    }

    /// Activates or deactivates a user; says whether there is one. The sessions of an inactive user are anonymous, and
    /// count again when the user is active again: raise the epoch to end them.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn set_active(&self, id: &str, active: bool) -> Result<bool, Error> {
        self.set_flag(id, "is_active", active).await
    }

    /// Says whether the user may enter the administration; answers whether there is such a user.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn set_staff(&self, id: &str, staff: bool) -> Result<bool, Error> {
        self.set_flag(id, "is_staff", staff).await
    }

    /// Gives the user every permission, or takes it back; answers whether there is such a user.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn set_superuser(&self, id: &str, superuser: bool) -> Result<bool, Error> {
        self.set_flag(id, "is_superuser", superuser).await
    }

    /// Notes that the user signed in just now, by the database's clock; answers whether there is such a user.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn record_login(&self, id: &str) -> Result<bool, Error> {
        let Some(key) = self.tables.key(id) else { return Ok(false) };
        let tables = &self.tables;
        let sql = format!("UPDATE {} SET last_login = {} WHERE id = {}", tables.users, tables.now, tables.id);
        on_pool!(self, pool => within(async {
            Ok(sqlx::query(AssertSqlSafe(sql)).bind(key).execute(pool).await?.rows_affected() > 0)
        }).await)
    }

    async fn set_flag(&self, id: &str, column: &'static str, value: bool) -> Result<bool, Error> {
        let Some(key) = self.tables.key(id) else { return Ok(false) };
        let sql = format!("UPDATE {} SET {column} = $2 WHERE id = {}", self.tables.users, self.tables.id);
        on_pool!(self, pool => within(async {
            Ok(sqlx::query(AssertSqlSafe(sql)).bind(key).bind(value).execute(pool).await?.rows_affected() > 0)
        }).await)
    }

    fn filter(&self) -> String {
        let like = self.tables.like;
        format!(r"WHERE u.username {like} $1 ESCAPE '\' OR u.email {like} $1 ESCAPE '\'")
    }
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
