//! Who may sign in: users, their passwords, groups and permissions.
//!
//! - [`Users`] is the contract. [`SqlUsers`] fulfils it over the tables that Django uses, in SQLite or PostgreSQL;
//!   implement it yourself for a table of your own.
//! - A session carries the [session auth hash](User::session_auth_hash), derived from the stored password, and the
//!   user's epoch. Both are compared with the row at each request that asks who the user is: a new password, a raised
//!   epoch or a deactivated user ends sessions at once, whatever the session store still holds.
//! - Passwords are hashed off the async threads, no more at a time than there are cores.
//! - Every refusal costs the same work, also for a name that does not exist, a user without a password, an inactive one
//!   and one whose hash is older or newer than others (OWASP Authentication Cheat Sheet, "Authentication and Error
//!   Messages"). [`Users::verify`] says what remains.
//!
//! # Example
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use shared_session::users::{NewUser, SqlUsers, Users};
//!
//! let users = SqlUsers::connect("sqlite::memory:").await?;
//! users.migrate().await?;
//! users.create_user(NewUser::new("ann", "correct horse")).await?;
//!
//! assert!(users.verify("ann", "correct horse").await?.is_some());
//! assert!(users.verify("ann", "battery staple").await?.is_none());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```

use std::{collections::BTreeSet, fmt, future::Future};

use unicode_normalization::UnicodeNormalization;

use crate::{Error, SecretKeys, store::BoxFuture};

#[cfg(feature = "users")]
pub mod auth;
mod auth_hash;
pub mod password;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod verify;

pub use auth_hash::Verified;
use password::PasswordHasher;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{CreateUserError, NewUser, SqlUsers, UserTable};
pub use verify::hash_password;

/// Columns may be longer. What is beyond is not worth the time that normalizing takes.
const MAX_NORMALIZED_CHARS: usize = 1024;

/// A user name as Django stores and compares it: in NFKC, so that look-alikes made of full-width letters or ligatures
/// are one name. Case counts. A name of more than 1,024 characters stays as it is.
///
/// ```
/// use shared_session::users::normalized_name;
///
/// assert_eq!(normalized_name("ａｎｎ"), "ann");
/// assert_eq!(normalized_name("andre\u{301}"), "andr\u{e9}");
/// ```
#[must_use]
pub fn normalized_name(name: &str) -> String {
    // One character may become eighteen.
    if name.chars().count() > MAX_NORMALIZED_CHARS { name.to_owned() } else { name.nfkc().collect() }
}

/// One user, as the row was when it was read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The primary key, as text.
    pub id: String,
    /// The name to sign in with. Unique, and case-sensitive unless the table compares it otherwise.
    pub username: String,
    /// May be empty, and need not be unique.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Others cannot sign in, and their sessions are anonymous.
    pub is_active: bool,
    /// May enter the administration.
    pub is_staff: bool,
    /// Has every permission.
    pub is_superuser: bool,
    /// Raised to end all sessions of the user; 0 at first.
    pub epoch: i64,
    /// Seconds since the Unix epoch.
    pub date_joined: Option<i64>,
    /// Seconds since the Unix epoch; `None` before the first login.
    pub last_login: Option<i64>,
    password: String,
}

impl User {
    /// An active user without a usable password, for those who implement [`Users`].
    #[must_use]
    pub fn new(id: impl Into<String>, username: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            username: username.into(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            epoch: 0,
            date_joined: None,
            last_login: None,
            password: "!".to_owned(),
        }
    }

    /// Sets the encoded password, a string in one of the formats of [`password`]. Default: `!`, which nothing matches.
    #[must_use]
    pub fn with_encoded_password(mut self, encoded: impl Into<String>) -> Self {
        self.password = encoded.into();
        self
    }

    /// The stored password hash. Never show or log it; it is here for formats that derive their own auth hash from it.
    #[must_use]
    pub fn encoded_password(&self) -> &str {
        &self.password
    }

    /// What ties a session to the user's present password: an HMAC of the stored hash, 43 characters; with the keys of
    /// a [Django deployment](SecretKeys::django) Django's own, 64 hexadecimal digits. It goes into the session at login. A
    /// change of the password makes another one, which ends the sessions that hold the old one.
    ///
    /// ```
    /// use shared_session::{SecretKeys, users::{User, Verified}};
    ///
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let user = User::new("1", "ann").with_encoded_password("argon2$...");
    /// let hash = user.session_auth_hash(&keys);
    /// assert_eq!(user.verify_session_auth_hash(&keys, &hash), Verified::Current);
    ///
    /// let changed = user.with_encoded_password("argon2$... of another password");
    /// assert_eq!(changed.verify_session_auth_hash(&keys, &hash), Verified::No);
    /// # Ok::<(), shared_session::Error>(())
    /// ```
    #[must_use]
    pub fn session_auth_hash(&self, keys: &SecretKeys) -> String {
        auth_hash::make(keys, &self.password)
    }

    /// Whether `hash` is this user's session auth hash, and under which of the `keys`. Compares in constant time.
    pub fn verify_session_auth_hash(&self, keys: &SecretKeys, hash: &str) -> Verified {
        auth_hash::verify(keys, &self.password, hash)
    }

    /// Whether the user has `permission` (`app.codename`), given what [`Users::permissions`] answered. Django's rule:
    /// an inactive user has none, an active superuser has every one, even one that does not exist.
    ///
    /// ```
    /// use shared_session::users::User;
    ///
    /// let mut user = User::new("1", "ann");
    /// let permissions = ["blog.add_post".to_owned()].into();
    /// assert!(user.has_perm(&permissions, "blog.add_post"));
    /// assert!(!user.has_perm(&permissions, "blog.delete_post"));
    /// user.is_active = false;
    /// assert!(!user.has_perm(&permissions, "blog.add_post"));
    /// ```
    #[must_use]
    pub fn has_perm(&self, permissions: &BTreeSet<String>, permission: &str) -> bool {
        self.is_active && (self.is_superuser || permissions.contains(permission))
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("is_active", &self.is_active)
            .field("is_staff", &self.is_staff)
            .field("is_superuser", &self.is_superuser)
            .finish_non_exhaustive()
    }
}

/// Where users live.
///
/// Rules for every method: an absent user is not an error; a database that cannot be reached or does not answer in
/// time is [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), never "no such user".
///
/// Write the methods as `async fn`:
///
/// ```
/// use std::{collections::BTreeSet, sync::Mutex};
/// use shared_session::{Error, users::{User, Users, hash_password}};
///
/// /// One user, in memory.
/// struct OnlyMe(Mutex<User>);
///
/// impl Users for OnlyMe {
///     async fn find(&self, id: &str) -> Result<Option<User>, Error> {
///         let me = self.0.lock().unwrap().clone();
///         Ok((me.id == id).then_some(me))
///     }
///     async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
///         let me = self.0.lock().unwrap().clone();
///         Ok((me.username == name).then_some(me))
///     }
///     async fn set_password(&self, id: &str, password: &str) -> Result<Option<User>, Error> {
///         let Some(me) = self.find(id).await? else { return Ok(None) };
///         let me = me.with_encoded_password(hash_password(self.hasher(), password).await?);
///         *self.0.lock().unwrap() = me.clone();
///         Ok(Some(me))
///     }
///     async fn raise_epoch(&self, id: &str) -> Result<i64, Error> {
///         let mut me = self.0.lock().unwrap();
///         me.epoch += i64::from(me.id == id);
///         Ok(me.epoch)
///     }
///     async fn permissions(&self, _: &User) -> Result<BTreeSet<String>, Error> {
///         Ok(BTreeSet::new())
///     }
///     async fn groups(&self, _: &User) -> Result<Vec<String>, Error> {
///         Ok(Vec::new())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let users = OnlyMe(Mutex::new(User::new("1", "ann")));
/// users.set_password("1", "correct horse").await?;
/// assert!(users.verify("ann", "correct horse").await?.is_some());
/// # Ok(())
/// # }
/// ```
pub trait Users: Send + Sync + 'static {
    /// The user with this primary key and the present epoch. One round trip; an id that no key can have is absent.
    fn find(&self, id: &str) -> impl Future<Output = Result<Option<User>, Error>> + Send;

    /// The user with exactly this name.
    fn find_by_name(&self, name: &str) -> impl Future<Output = Result<Option<User>, Error>> + Send;

    /// The user of this name, if the password is right and the user is active.
    ///
    /// Never rewrites the hash. The default implementation waits for a free core, at most ten seconds, then answers
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable). It does not count attempts: limit their rate.
    ///
    /// A refusal takes as long as the dearest hash: as that of [`hasher`](Self::hasher), and as whatever this process has
    /// met that costs more. Where the table holds hashes of several algorithms, a refusal computes the dearest of each.
    /// So the time tells nobody which names exist or whose hash is old. What remains: the first refusal that meets a
    /// dearer hash than any before it is the only one of its kind; a hash that costs more than about twice Django's
    /// default takes its own, longer time, because one odd row must not slow down everybody; and a success takes less
    /// time than a refusal.
    fn verify(&self, name: &str, password: &str) -> impl Future<Output = Result<Option<User>, Error>> + Send {
        async move {
            let user = self.find_by_name(name).await?;
            verify::verify_user(user, password, self.hasher()).await
        }
    }

    /// Whether `password` is that of `user`, who is active: for somebody who is signed in and asked once more. Costs
    /// what [`verify`](Self::verify) costs, without looking for the user.
    fn check_password(&self, user: &User, password: &str) -> impl Future<Output = Result<bool, Error>> + Send {
        let user = user.clone();
        async move { Ok(verify::verify_user(Some(user), password, self.hasher()).await?.is_some()) }
    }

    /// How new passwords are hashed. Default: [`PasswordHasher::default`].
    fn hasher(&self) -> PasswordHasher {
        PasswordHasher::default()
    }

    /// Sets a new password and answers the user as stored now, `None` if there is none. Ends all sessions of the user;
    /// the one at hand goes on if it is given the new session auth hash.
    fn set_password(&self, id: &str, password: &str) -> impl Future<Output = Result<Option<User>, Error>> + Send;

    /// Raises the epoch by one, atomically, which ends all sessions of the user. Answers the new epoch.
    fn raise_epoch(&self, id: &str) -> impl Future<Output = Result<i64, Error>> + Send;

    /// The permissions of the user as `app.codename`: those given to the user and to the user's groups. For
    /// [`User::has_perm`].
    fn permissions(&self, user: &User) -> impl Future<Output = Result<BTreeSet<String>, Error>> + Send;

    /// The names of the user's groups, in order.
    fn groups(&self, user: &User) -> impl Future<Output = Result<Vec<String>, Error>> + Send;
}

/// The object-safe twin of what a session asks of its [`Users`], so that no signature of ours names a type of users.
pub(crate) trait UsersDyn: Send + Sync {
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<User>, Error>>;
    fn raise_epoch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<i64, Error>>;
    fn permissions<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<BTreeSet<String>, Error>>;
}

impl<U: Users> UsersDyn for U {
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<User>, Error>> {
        Box::pin(Users::find(self, id))
    }
    fn raise_epoch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<i64, Error>> {
        Box::pin(Users::raise_epoch(self, id))
    }
    fn permissions<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<BTreeSet<String>, Error>> {
        Box::pin(Users::permissions(self, user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_follow_the_rule_of_django() {
        let granted = BTreeSet::from(["blog.add_post".to_owned()]);
        let mut user = User::new("1", "ann");
        assert!(user.has_perm(&granted, "blog.add_post"));
        assert!(!user.has_perm(&granted, "blog.add"));
        user.is_superuser = true;
        assert!(user.has_perm(&BTreeSet::new(), "no.such"));
        user.is_active = false;
        assert!(!user.has_perm(&granted, "blog.add_post"));
    }

    #[test]
    fn debug_shows_neither_the_password_nor_who_it_is() {
        let mut user = User::new("4711", "ann").with_encoded_password("argon2$secret");
        user.email = "ann@example.org".into();
        let shown = format!("{user:?}");
        for hidden in ["4711", "ann", "secret", "argon2"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
