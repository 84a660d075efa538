//! Sign-in of any user in the user table by the typed name. The rules for new names do not apply.

use shared_session::{
    Error, LoginOptions, Session,
    throttle::Attempt,
    users::{SqlUsers, User, Users},
};

/// The active user whose name was `typed`, if `password` is right. A wrong password leaves `attempt` counted.
///
/// As in Django's form, the space around a name is ignored and names are looked up in NFKC; but if the table has the
/// name exactly as typed, that user is meant. Costs one password hash, and one more look-up if there is space around
/// the name.
///
/// # Errors
/// As [`Session::authenticate`].
pub async fn authenticate(
    attempt: Attempt,
    session: &Session,
    users: &SqlUsers,
    typed: &str,
    password: &str,
) -> Result<Option<User>, Error> {
    let found = find(session, users, typed, password).await;
    match &found {
        Ok(Some(_)) => attempt.succeeded().await,
        Ok(None) => {}
        Err(_) => attempt.withdraw().await,
    }
    found
}

/// Signs `user` in, and records the time in the user's row if that is possible.
///
/// # Errors
/// As [`Session::login_with`].
pub async fn begin(session: &Session, users: &SqlUsers, user: &User, options: LoginOptions) -> Result<(), Error> {
    session.login_with(user, options)?;
    if let Err(error) = users.record_login(&user.id).await {
        tracing::warn!(%error, "the time of a sign-in was not recorded");
    }
    Ok(())
}

async fn find(session: &Session, users: &SqlUsers, typed: &str, password: &str) -> Result<Option<User>, Error> {
    let trimmed = trimmed(typed);
    let is_spaced = trimmed != typed && users.find_by_name(typed).await?.is_some();
    session.authenticate(if is_spaced { typed } else { trimmed }, password).await
}

/// Removes the characters that Python's `strip` removes, including ASCII separators.
pub(crate) fn trimmed(name: &str) -> &str {
    name.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

#[cfg(test)]
mod tests {
    use shared_session::{
        SecretKeys, SessionManager,
        store::SqlStore,
        users::{NewUser, PasswordHasher},
    };

    use super::*;

    #[test]
    fn names_are_trimmed_as_in_django() {
        assert_eq!(trimmed("\x1c\u{a0} ann lee\t\n"), "ann lee");
        assert_eq!(trimmed("\u{200b}ann"), "\u{200b}ann");
    }

    #[tokio::test]
    async fn a_name_with_spaces_finds_the_exact_user_or_else_the_trimmed_one() {
        let users = SqlUsers::connect("sqlite::memory:").await.unwrap();
        let users = users.with_hasher(PasswordHasher::pbkdf2_sha256(10).unwrap());
        users.migrate().await.unwrap();
        let ann = users.create_user(NewUser::new("ann", "right")).await.unwrap();
        let keys = SecretKeys::new("k".repeat(32)).unwrap();
        let manager =
            SessionManager::new(SqlStore::connect("sqlite::memory:").await.unwrap()).with_users(users.clone(), keys);
        let session = manager.open([]).load().await.unwrap();
        let found = async |typed, password| find(&session, &users, typed, password).await.unwrap();
        for typed in ["ann", " ann", "ａｎｎ\n"] {
            assert_eq!(found(typed, "right").await, Some(ann.clone()), "{typed:?}");
            assert_eq!(found(typed, "wrong").await, None, "{typed:?}");
        }
        for typed in ["", " ", "\0", "ann\0", "bob"] {
            assert_eq!(found(typed, "right").await, None, "{typed:?}");
        }
    }
}
