//! Who may sign in: users, their passwords, groups and permissions.
//!
//! - **A change of the user ends sessions at once**: a new password, a raised epoch or a deactivated user, whatever the
//!   session store still holds.
//! - **A refusal tells nothing.** It costs the same work for a name that does not exist, a user without a password, an
//!   inactive one and one whose hash is older or newer than others (OWASP Authentication Cheat Sheet, "Authentication
//!   and Error Messages"). [`Users::verify`] says what remains.
//! - **Hashing blocks nobody.** Passwords are hashed off the async threads, no more at a time than there are cores.
//! - **A database that does not answer is an error**, never an anonymous visit.
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
//! - [`Users`] is what a service asks of its users: one by id, one by name. [`SqlUsers`] fulfils it over the tables
//!   that Django uses, in SQLite or PostgreSQL; for a table of your own see [below](#your-own-table). [`ManageUsers`]
//!   is for services that change users.
//! - [`AuthUser`] is what a session must know of one user. [`User`] is the row of Django's table; your own type is as
//!   good.
//! - A session carries a [hash](User::session_auth_hash) of the stored password, and the user's epoch if the table has
//!   epochs. Both are compared with the row at each request that asks who the user is: one SELECT by primary key. A
//!   [`UserCache`] saves most of them, at a price: what another process changes may count some seconds later.
//!
//! # Your own table
//!
//! Two methods on your type of users, two on the table:
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
//! # Cookbook
//!
//! - **Sign in and out**: [`Session::authenticate`](crate::Session::authenticate), [`login`](crate::Session::login),
//!   [`logout`](crate::Session::logout). **Remember me**: [`LoginOptions`](crate::LoginOptions).
//! - **Who is it?** `CurrentUser`, `MaybeUser` and `StaffUser` in the adapters;
//!   [`Session::user_as`](crate::Session::user_as) and [`require_user_as`](crate::Session::require_user_as) elsewhere.
//! - **Whole routes for users only**: `login_required` and `require` of the adapters.
//! - **A new password**: [`ManageUsers::set_password`]; then sign the user in again, since every session has ended.
//! - **Sign out everywhere**: [`SessionManager::revoke_all`](crate::SessionManager::revoke_all).
//! - **Fewer queries**: [`UserCache`], where a change by another process may count some seconds later.
//! - **"Your session has ended"** instead of "please sign in": [`UnauthenticatedReason`].
//! - **A custom user model of Django**: [`UserTable`].
//!
//! # Features
//!
//! `users` has this module; [`SqlUsers`] also needs `sqlite` or `postgres`.
//!
//! # What is stored
//!
//! In the session: the user's id, the hash, the epoch. [`SqlUsers::migrate`] makes Django's `auth_*` tables where they
//! are missing, and the side table `shared_session_epoch`. Verifying a password never rewrites its hash.
//!
//! # What it does not do
//!
//! It does not limit attempts, send mail, reset passwords, or speak OAuth, SAML or WebAuthn: verify however you like,
//! then call [`login`](crate::Session::login).

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
mod require_fresh;
mod safe_next;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
mod unauthenticated;
mod user;
mod verify_password;

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

/// Columns may be longer, but longer names are not worth the time of normalizing them.
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
/// Write the methods as `async fn`; [`find`](Self::find) and [`find_by_name`](Self::find_by_name) suffice. The
/// [example](self#your-own-table) is a whole implementation.
pub trait Users: Send + Sync + 'static {
    /// The type of a user.
    type User: AuthUser + Clone;

    /// The user with this primary key, as the row is now. One round trip; an id that no key can have is absent.
    fn find(&self, id: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// The user with exactly this name.
    fn find_by_name(&self, name: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send;

    /// The user of this name, if the password is right and the user is active.
    ///
    /// Never rewrites the hash. The default implementation waits for a free core, at most ten seconds, then answers
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable). It does not count attempts: limit their rate.
    ///
    /// A refusal takes as long as the dearest hash: as that of [`hasher`](Self::hasher), and as whatever this process
    /// has met that costs more. Where the table holds hashes of several algorithms, a refusal computes the dearest of
    /// each. So the time reveals neither which names exist nor whose hash is old. What remains: the first refusal that
    /// meets a dearer hash than any before it is the only one of its kind; a hash that costs more than about twice
    /// Django's default takes its own, longer time, because one odd row must not slow down everybody; and a success
    /// takes less time than a refusal.
    fn verify(&self, name: &str, password: &str) -> impl Future<Output = Result<Option<Self::User>, Error>> + Send {
        async move {
            let user = self.find_by_name(name).await?;
            verify_password::verify_user(user, password, self.hasher()).await
        }
    }

    /// Whether `password` is that of `user`, who is active: for somebody who is signed in and asked once more. Costs
    /// what [`verify`](Self::verify) costs, without looking for the user.
    fn check_password(&self, user: &Self::User, password: &str) -> impl Future<Output = Result<bool, Error>> + Send {
        let user = user.clone();
        async move { Ok(verify_password::verify_user(Some(user), password, self.hasher()).await?.is_some()) }
    }

    /// How new passwords are hashed, and what a refusal costs at least. Default: [`PasswordHasher::default`].
    fn hasher(&self) -> PasswordHasher {
        PasswordHasher::default()
    }

    /// The permissions of the user as `app.codename`: those given to the user and to the user's groups. Default: none,
    /// without asking anybody.
    fn permissions(&self, user: &Self::User) -> impl Future<Output = Result<BTreeSet<String>, Error>> + Send {
        let _ = user;
        ready(Ok(BTreeSet::new()))
    }

    /// The names of the user's groups, in order. Default: none, without asking anybody.
    fn groups(&self, user: &Self::User) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        let _ = user;
        ready(Ok(Vec::new()))
    }

    /// Raises the epoch in the user's row by one, atomically, which ends all sessions of the user. Answers the new
    /// epoch, which [`AuthUser::epoch`] returns from then on; `None` if there is no such user or the table has no
    /// epochs.
    ///
    /// Default: `None`. Then [`SessionManager::revoke_all`](crate::SessionManager::revoke_all) deletes the sessions
    /// that are in the user's index, and fails if the session store does. An epoch also ends those that the index does
    /// not know, and those that a store brings back after a failover: give a table of your own a column for it if it
    /// can have one.
    fn raise_epoch(&self, id: &str) -> impl Future<Output = Result<Option<i64>, Error>> + Send {
        let _ = id;
        ready(Ok(None))
    }

    /// Where the session manager keeps rows of these users for some seconds, so that most requests ask the database
    /// nothing; see [`UserCache`]. Call [`UserCache::forget`] whenever you change a row. Default: `None`, every request
    /// asks.
    fn cache(&self) -> Option<&UserCache> {
        None
    }
}
