//! Methods for administration, beyond [`Users`].

use sqlx::{AssertSqlSafe, Row};

use super::{
    SqlUsers,
    column::{Column, Kind},
    on_connection, read_user,
    statements::Tables,
};
use crate::{
    error::{Error, ErrorKind},
    users::{AuthUser as _, ManageUsers, User, Users},
};

impl SqlUsers {
    /// Users whose name or e-mail address contains `search`, ignoring case, ordered by name. An empty `search` finds
    /// all users. Reads the whole table. An unreadable row is left out, with a line in the log.
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

    /// The number of users that [`list`](Self::list) finds for `search`.
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

    /// Sets whether the user may enter the administration; returns whether the user exists.
    ///
    /// # Errors
    /// As [`Users`]; [`ErrorKind::Config`] if the user table has no column for it.
    pub async fn set_staff(&self, id: &str, staff: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_staff.as_ref(), staff).await
    }

    /// Makes the user a superuser, who has every permission, or a normal user; returns whether the user exists.
    ///
    /// # Errors
    /// As [`Users`]; [`ErrorKind::Config`] if the user table has no column for it.
    pub async fn set_superuser(&self, id: &str, superuser: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_superuser.as_ref(), superuser).await
    }

    /// Records that the user signed in just now, by the database's clock. `false` if the user does not exist, or the
    /// user table has no column for it.
    ///
    /// # Errors
    /// As [`Users`].
    pub async fn record_login(&self, id: &str) -> Result<bool, Error> {
        let tables = self.tables();
        let (Some(key), Some(column)) = (tables.key(id), &tables.last_login) else { return Ok(false) };
        let set = format!("{} = {}", column.quoted(), tables.now);
        let _changing = self.changing(&tables, id);
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
        let _changing = self.changing(&tables, id);
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
        let encoded = self.hasher.hash(password).await?;
        let _changing = self.changing(&tables, id);
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
        let encoded = self.hasher.hash(password).await?;
        let _changing = self.changing(&tables, &user.id);
        let column = tables.password.quoted();
        let sql = format!("UPDATE {} SET {column} = $2 WHERE {} AND {column} = $3", tables.users, tables.is_row());
        on_connection!(self, Write, |connection, keeps| {
            let query = sqlx::query(AssertSqlSafe(&*sql)).persistent(keeps);
            let query = query.bind(&key).bind(&encoded).bind(user.encoded_password());
            query.execute(connection).await.map(drop)
        })
        .await?;
        // The row shows the outcome, even if a lost reply made the statement run twice: no other hash has this salt.
        Ok(self.find(&user.id).await?.filter(|now| now.encoded_password() == encoded))
    }

    async fn set_active(&self, id: &str, active: bool) -> Result<bool, Error> {
        self.set_flag(id, |tables| tables.is_active.as_ref(), active).await
    }
}

/// A `LIKE` pattern that matches `search` anywhere, with its wildcards taken literally.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_taken_literally() {
        assert_eq!(pattern(r"100%_\"), r"%100\%\_\\%");
    }
}
