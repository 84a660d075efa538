//! The users of a service: sign-in, passwords, groups and permissions.
//!
//! - **A change to a user ends sessions at once**: a new password, a raised epoch or a deactivated user counts,
//!   regardless of what the session store still holds.
//! - **A refusal reveals nothing.** It costs the same work for an unknown name, a user without a password, an inactive
//!   user, and a hash older or newer than the others (OWASP Authentication Cheat Sheet, "Authentication and Error
//!   Messages"). [`Users::verify`] lists the remaining differences.
//! - **Hashing does not block async threads.** Passwords are hashed on other threads, at most one per core at a time.
//! - **A database that does not answer is an error**, never an anonymous visitor.
//!
//! # Example
//!
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
//!
//! # Concepts
//!
//! - [`Users`] is the interface through which a service finds its users: by id and by name. [`SqlUsers`] implements it
//!   over the tables that Django uses, in SQLite or PostgreSQL; for a table of your own see [below](#your-own-table).
//!   [`ManageUsers`] is for services that change users.
//! - [`AuthUser`] is the part of a user that a session needs. [`User`] is the row of Django's table; your own type
//!   works just as well.
//! - A session carries a [hash](User::session_auth_hash) of the stored password, and the user's epoch if the table has
//!   epochs. Every request that asks for the user compares both with the row: one SELECT by primary key. A
//!   [`UserCache`] saves most of these queries, but a change by another process may take effect some seconds later.
//!
//! # Your own table
//!
//! Implement two methods on your user type and two on the table:
//!
//! ```
//! use std::{borrow::Cow, collections::HashMap};
//! use shared_session::{Error, SecretKeys, SessionManager, store::MemoryStore};
//! use shared_session::users::{AuthUser, PasswordHasher, Users};
//!
//! #[derive(Clone)]
//! struct Account {
//!     name: String,
//!     password: String,
//! }
//!
//! impl AuthUser for Account {
//!     fn id(&self) -> Cow<'_, str> {
//!         (&self.name).into()
//!     }
//!     fn encoded_password(&self) -> &str {
//!         &self.password
//!     }
//! }
//!
//! struct Accounts(HashMap<String, Account>);
//!
//! impl Users for Accounts {
//!     type User = Account;
//!     async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
//!         Ok(self.0.get(id).cloned())
//!     }
//!     async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
//!         self.find(name).await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let password = PasswordHasher::default().hash("correct horse").await?;
//! let accounts = Accounts([("ann".into(), Account { name: "ann".into(), password })].into());
//! let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
//! let manager = SessionManager::new(MemoryStore::new()).with_users(accounts, keys);
//!
//! // In handlers the adapters do this: `Session`, and `CurrentUser<Account>`.
//! let session = manager.open([]).load().await?;
//! assert!(session.authenticate_as::<Account>("ann", "battery staple").await?.is_none());
//! if let Some(ann) = session.authenticate_as::<Account>("ann", "correct horse").await? {
//!     session.login(&ann)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! If the table has the hashes of another framework, return them as they are: `$argon2id$…`, `$2a$…`, `$2b$…`, `$2y$…`,
//! and [more](PasswordHasher).
//!
//! A query that fails is an error, not an absent user. Use [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable),
//! which is a 503, and keep the cause for the log: it is never shown to clients.
//!
//! ```
//! # use std::borrow::Cow;
//! use shared_session::{Error, ErrorKind, users::{AuthUser, Users}};
//! use sqlx::SqlitePool;
//!
//! # #[derive(Clone)]
//! # struct Account { name: String, password: String }
//! # impl AuthUser for Account {
//! #     fn id(&self) -> Cow<'_, str> { (&self.name).into() }
//! #     fn encoded_password(&self) -> &str { &self.password }
//! # }
//! struct Accounts(SqlitePool);
//!
//! impl Users for Accounts {
//!     type User = Account;
//!     async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
//!         let query = sqlx::query_scalar("SELECT password FROM accounts WHERE name = $1").bind(id);
//!         let password: Option<String> = query.fetch_optional(&self.0).await.map_err(|error| {
//!             Error::new(ErrorKind::Unavailable, "the table of accounts cannot be read").with_source(error)
//!         })?;
//!         Ok(password.map(|password| Account { name: id.to_owned(), password }))
//!     }
//!     async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
//!         self.find(name).await
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sqlx::Error> {
//! # // Without the table every query fails.
//! # let error = Accounts(SqlitePool::connect("sqlite::memory:").await?).find("ann").await.err().unwrap();
//! # assert_eq!(error.kind(), ErrorKind::Unavailable);
//! # assert!(std::error::Error::source(&error).is_some());
//! # Ok(()) }
//! ```
//!
//! # Cookbook
//!
//! - **Sign in and out**: [`Session::authenticate`](crate::Session::authenticate), [`login`](crate::Session::login),
//!   [`logout`](crate::Session::logout). **Remember me**: [`LoginOptions`](crate::LoginOptions).
//! - **Get the user**: `CurrentUser`, `MaybeUser` and `StaffUser` in the adapters;
//!   [`Session::user_as`](crate::Session::user_as) and [`require_user_as`](crate::Session::require_user_as) elsewhere.
//! - **Protect whole routes**: `login_required` and `require` of the adapters.
//! - **A new password**: [`ManageUsers::set_password`]; then sign the user in again, because every session has ended.
//! - **Sign out everywhere**: [`SessionManager::revoke_all`](crate::SessionManager::revoke_all); then call
//!   [`logout`](crate::Session::logout), which removes this browser's cookie. Other edits of this request fail with
//!   [`ErrorKind::Gone`](crate::ErrorKind::Gone).
//! - **Fewer queries**: [`UserCache`]; a change by another process may take effect some seconds later.
//! - **"Your session has ended"** instead of "please sign in": [`UnauthenticatedReason`].
//! - **A custom user model of Django**: [`UserTable`].
//!
//! # Features
//!
//! The feature `users` enables this module; [`SqlUsers`] also needs `sqlite` or `postgres`.
//!
//! # What is stored
//!
//! The session stores the user's id, the hash and the epoch. [`SqlUsers::migrate`] creates missing `auth_*` tables of
//! Django and the side table `shared_session_epoch`. Verifying a password never rewrites its hash.
//!
//! # What it does not do
//!
//! It does not limit attempts, send mail, reset passwords, or implement OAuth, SAML or WebAuthn: verify the user by any
//! means, then call [`login`](crate::Session::login).

use std::{
    collections::BTreeSet,
    future::{Future, ready},
};

use unicode_normalization::UnicodeNormalization;

use crate::error::Error;

mod any_users;
mod auth;
mod auth_hash;
mod auth_user;
mod cache;
mod current_user;
mod guard;
pub(crate) mod login_options;
mod manage;
pub(crate) mod password;
mod password_work;
mod require_fresh;
mod safe_next;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod unauthenticated;
mod user;

pub use auth_user::{AsUser, AuthUser};
pub use cache::UserCache;
pub use current_user::CurrentUser;
pub use guard::Guard;
pub use manage::ManageUsers;
pub use password::PasswordHasher;
pub use safe_next::safe_next;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::{CreateUserError, Group, NewUser, Permission, Renamed, SqlUsers, UserTable};
pub use unauthenticated::UnauthenticatedReason;
pub use user::User;

/// Columns may be longer, but longer names are not worth the time to normalize.
const MAX_NORMALIZED_CHARS: usize = 1024;

/// A user name as Django stores and compares it: in NFKC, so that look-alikes made of full-width letters or ligatures
/// are the same name. It is case-sensitive. A name of more than 1,024 characters is returned unchanged.
///
/// ```
/// use shared_session::users::normalized_name;
///
/// assert_eq!(normalized_name("ａｎｎ"), "ann");
/// assert_eq!(normalized_name("andre\u{301}"), "andr\u{e9}");
/// ```
#[must_use]
pub fn normalized_name(name: &str) -> String {
    // Normalization can turn one character into eighteen.
    if name.chars().count() > MAX_NORMALIZED_CHARS { name.to_owned() } else { name.nfkc().collect() }
}

/// The source of users.
///
/// Rules for every method: an absent user is not an error; a database that is unreachable or does not answer in time is
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), never "no such user".
///
/// Write the methods as `async fn`; only [`find`](Self::find) and [`find_by_name`](Self::find_by_name) are required.
/// The [example](self#your-own-table) is a whole implementation.
pub trait Users: Send + Sync + 'static {
    /// The type of a user.
    type User: AuthUser + Clone;

    /// The user with this primary key, from the current row. One round trip. An invalid id counts as absent.
    fn find(&self, id: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// The user with exactly this name.
    fn find_by_name(&self, name: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// The user with this name, if the password is right and the user is active.
    ///
    /// Never rewrites the hash. The default implementation waits at most ten seconds for a free core, then returns
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable). It does not count attempts: limit their rate.
    ///
    /// A refusal takes as long as the most expensive known hash: that of [`hasher`](Self::hasher), or a more expensive
    /// one that this process has met. If the table holds hashes of several algorithms, a refusal computes the most
    /// expensive of each. So the time reveals neither which names exist nor whose hash is old. Three differences
    /// remain. The first refusal that meets a more expensive hash than any before takes a time of its own. A hash that
    /// costs more than about twice Django's default takes its own, longer time, because one odd row must not slow down
    /// all users. A success takes less time than a refusal.
    fn verify(&self, name: &str, password: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send {
        async move {
            let user = self.find_by_name(name).await?;
            password_work::verify_user(user, password, self.hasher()).await
        }
    }

    /// Whether `password` is the password of `user` and `user` is active: for a signed-in user who must enter the
    /// password again. Costs as much as [`verify`](Self::verify), without the look-up of the user.
    fn check_password(&self, user: &Self::User, password: &str) -> impl Future<Output = Result<bool, Error>> + Send {
        let user = user.clone();
        async move { Ok(password_work::verify_user(Some(user), password, self.hasher()).await?.is_some()) }
    }

    /// The hasher of new passwords, and the minimum cost of a refusal. Default: [`PasswordHasher::default`].
    fn hasher(&self) -> PasswordHasher {
        PasswordHasher::default()
    }

    /// The permissions of the user as `app.codename`, both the user's own and those of the user's groups. Default:
    /// empty, without a query.
    fn permissions(&self, user: &Self::User) -> impl Future<Output = Result<BTreeSet<String>, Error>> + Send {
        let _ = user;
        ready(Ok(BTreeSet::new()))
    }

    /// The names of the user's groups, in order. Default: empty, without a query.
    fn groups(&self, user: &Self::User) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        let _ = user;
        ready(Ok(Vec::new()))
    }

    /// Raises the epoch in the user's row by one, atomically, which ends all sessions of the user. Returns the new
    /// epoch, which [`AuthUser::epoch`] returns from then on; `None` if the user does not exist or the table has no
    /// epochs.
    ///
    /// Default: `None`. Then [`SessionManager::revoke_all`](crate::SessionManager::revoke_all) deletes the sessions in
    /// the user's index, and fails if the session store fails. An epoch also ends sessions that are missing from the
    /// index, and sessions that a store brings back after a failover: add an epoch column to your own table if you can.
    fn raise_epoch(&self, id: &str) -> impl Future<Output = Result<Option<i64>, Error>> + Send {
        let _ = id;
        ready(Ok(None))
    }

    /// The cache in which the session manager keeps rows of these users for some seconds, so that most requests need no
    /// query; see [`UserCache`]. Call [`UserCache::forget`] whenever you change a row. Default: `None`; every request
    /// queries the database.
    fn cache(&self) -> Option<&UserCache> {
        None
    }
}
