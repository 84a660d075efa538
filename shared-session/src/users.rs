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

use std::{collections::BTreeSet, future::Future};

use unicode_normalization::UnicodeNormalization;

use crate::{Error, store::BoxFuture};

#[cfg(feature = "users")]
pub mod auth;
mod auth_hash;
mod guard;
pub(crate) mod login_options;
pub mod password;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod user;
mod verify;

pub use auth_hash::Verified;
pub use guard::Guard;
use password::PasswordHasher;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{CreateUserError, NewUser, SqlUsers, UserTable};
pub use user::User;
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
