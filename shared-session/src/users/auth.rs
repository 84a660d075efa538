//! From a session to its user: sign-in, and the check that the sign-in still holds.
//!
//! A signed-in session carries two marks of its user's row: a hash derived from the password column, and the epoch, if
//! there is one. [`Session::user`] compares them, and `is_active`, with the row by one SELECT. So a new password, a
//! raised epoch or a deactivated account ends every session at once, even a session that a failing store brings back. A
//! [user cache](crate::users::UserCache) saves most of these SELECTs; its documentation states the cost.
//!
//! With the keys of a [Django deployment](SecretKeys::django) the hash is Django's, and there is no epoch, because
//! Django's tables have none. To end all sessions of a user, delete them.

mod lookup;
mod marks;
mod other_key;

use std::{
    any::{Any, TypeId, type_name},
    collections::BTreeSet,
    sync::Arc,
};

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{
        core::{Core, owners::Owners as _},
        manager::SessionManager,
        session::Session,
    },
    error::{Error, ErrorKind},
    keys::SecretKeys,
    record::Identity,
    users::{AsUser, AuthUser, User, Users, any_users::of_type, login_options::LoginOptions},
};
use marks::Auth;

impl Session {
    /// The signed-in user, checked against the user's row; `None` for anonymous visitors. Runs one SELECT, or none if a
    /// [user cache](crate::users::UserCache) has the row; at most once per request. If the row disagrees with the
    /// session, the session is loaded once more (a new password is written to SQL first); if they still disagree, this
    /// request is anonymous and nothing is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store or the database fails; the response is then 503, regardless of what the
    /// handler returns. [`ErrorKind::Unreadable`] if the record cannot be decoded. [`ErrorKind::Config`] without
    /// [`SessionManager::with_users`], or if its users have another type than [`User`].
    pub async fn user(&self) -> Result<Option<User>, Error> {
        self.user_as().await
    }

    /// As [`user`](Self::user), for a manager whose users are of your own type: `session.user_as::<Account>()`.
    ///
    /// # Errors
    /// As [`user`](Self::user); [`ErrorKind::Config`] if the manager's users are not of type `U`.
    pub async fn user_as<U: AuthUser + Clone>(&self) -> Result<Option<U>, Error> {
        self.expect_type::<U>()?;
        self.any_user().await?.map(|user| of_type(&*user).cloned()).transpose()
    }

    /// As [`user`](Self::user), for operations that require a signed-in user.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the session has no signed-in user;
    /// [`UnauthenticatedReason::of`](super::UnauthenticatedReason::of) gives the reason. [`ErrorKind::Config`] if the
    /// manager has no users. Otherwise as [`user`](Self::user).
    pub async fn require_user(&self) -> Result<User, Error> {
        self.require_user_as().await
    }

    /// As [`require_user`](Self::require_user), for a manager whose users are of your own type.
    ///
    /// # Errors
    /// As [`require_user`](Self::require_user); [`ErrorKind::Config`] if the manager's users are not of type `U`.
    pub async fn require_user_as<U: AuthUser + Clone>(&self) -> Result<U, Error> {
        self.expect_type::<U>()?;
        of_type(&*self.signed_in().await?).cloned()
    }

    /// The user with this name, if the password is right and the user is active, as decided by the manager's
    /// [`Users::verify`]. Does not sign the user in: pass the user to [`login`](Self::login).
    ///
    /// Costs a database look-up and one password hash, also for a name that does not exist. Limit the rate of attempts.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use shared_session::users::{NewUser, SqlUsers};
    /// use shared_session::{SecretKeys, SessionManager, store::MemoryStore};
    ///
    /// let users = SqlUsers::connect("sqlite::memory:").await?;
    /// users.migrate().await?;
    /// users.create_user(NewUser::new("ann", "correct horse")).await?;
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys);
    ///
    /// let session = manager.open([]).load().await?;
    /// assert!(session.authenticate("ann", "battery staple").await?.is_none());
    /// if let Some(ann) = session.authenticate("ann", "correct horse").await? {
    ///     session.login(&ann)?;
    /// }
    /// # assert!(session.user().await?.is_some());
    /// # Ok(()) }
    /// # #[cfg(not(feature = "sqlite"))] fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails, or no core is free for ten seconds. [`ErrorKind::Config`]
    /// without [`SessionManager::with_users`], or if its users have another type than [`User`].
    pub async fn authenticate(&self, name: &str, password: &str) -> Result<Option<User>, Error> {
        self.authenticate_as(name, password).await
    }

    /// As [`authenticate`](Self::authenticate), for a manager whose users are of your own type.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate); [`ErrorKind::Config`] if the manager's users are not of type `U`.
    pub async fn authenticate_as<U: AuthUser + Clone>(&self, name: &str, password: &str) -> Result<Option<U>, Error> {
        let user = self.auth_of::<U>()?.users.verify(name, password).await?;
        if user.is_none() {
            // The event names no user: neither the response nor the log may reveal whether this name exists.
            let event = AuditEvent { user_id: None, ..self.event(AuditKind::SignInFailed) };
            self.0.core.audit.tell(&event);
        }
        user.map(|user| of_type(&*user).cloned()).transpose()
    }

    /// Signs `user` in; see [`login_as`](Self::login_as). No I/O and no check of the password:
    /// [`authenticate`](Self::authenticate) does that. The user may be in an extractor: `session.login(&current_user)`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without [`SessionManager::with_users`], or if its users are of another type.
    pub fn login<U: AsUser>(&self, user: &U) -> Result<(), Error> {
        self.login_with(user, LoginOptions::new())
    }

    /// As [`login`](Self::login), with options: whether the user stays signed in after the browser is closed, or when
    /// the session ends. The options are stored with the session, so every service honours them. No I/O.
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub fn login_with<U: AsUser>(&self, user: &U, options: LoginOptions) -> Result<(), Error> {
        let (auth, user) = (self.auth_of::<U::User>()?, user.as_user());
        auth.other_key.has_seen_a_change(user);
        self.sign_in(auth.identity(user), options.into_expiry(&self.0.core.lifetime))
    }

    /// The permissions of `user`, for [`AuthUser::has_perm`]. One round trip to the database, and another if `user`
    /// came from a [user cache](crate::users::UserCache).
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails. [`ErrorKind::Config`] as for [`login`](Self::login).
    pub async fn permissions<U: AsUser>(&self, user: &U) -> Result<BTreeSet<String>, Error> {
        let (users, user) = (&self.auth_of::<U::User>()?.users, user.as_user());
        let row = self.row_instead_of(user).await?;
        users.permissions(row.as_deref().unwrap_or(user)).await
    }

    /// The names of the groups of `user`, in order. Costs what [`permissions`](Self::permissions) costs.
    ///
    /// # Errors
    /// As [`permissions`](Self::permissions).
    pub async fn groups<U: AsUser>(&self, user: &U) -> Result<Vec<String>, Error> {
        let (users, user) = (&self.auth_of::<U::User>()?.users, user.as_user());
        let row = self.row_instead_of(user).await?;
        users.groups(row.as_deref().unwrap_or(user)).await
    }

    /// Succeeds only if `user` has `permission`, such as `blog.add_post`. Superusers have every permission. One round
    /// trip to the database each time, none for superusers; another one if `user` came from a [user
    /// cache](crate::users::UserCache).
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the permission. [`ErrorKind::Unauthenticated`] if `user` is signed in according
    /// to a user cache, but not according to the table. [`ErrorKind::Unavailable`] if the database fails.
    /// [`ErrorKind::Config`] as for [`login`](Self::login).
    pub async fn require_perm<U: AsUser>(&self, user: &U, permission: &str) -> Result<(), Error> {
        self.auth_of::<U::User>()?;
        self.permit(user.as_user(), permission).await
    }

    pub(super) async fn permit(&self, user: &dyn AuthUser, permission: &str) -> Result<(), Error> {
        let row = self.row_instead_of(user).await?;
        let user = row.as_deref().unwrap_or(user);
        let allowed = user.has_perm(&BTreeSet::new(), permission)
            || user.has_perm(&self.auth()?.users.permissions(user).await?, permission);
        if allowed { Ok(()) } else { Err(ErrorKind::Forbidden.into()) }
    }

    /// Fails the request if the manager has users that are not of type `U`.
    fn expect_type<U: AuthUser>(&self) -> Result<(), Error> {
        match of_core(&self.0.core) {
            Some(auth) => {
                auth.users.check_type(TypeId::of::<U>(), type_name::<U>()).map_err(|error| self.failed(error))
            }
            None => Ok(()),
        }
    }

    /// The manager's users, if they are of type `U`.
    fn auth_of<U: AuthUser>(&self) -> Result<&Auth, Error> {
        let auth = self.auth()?;
        auth.users.check_type(TypeId::of::<U>(), type_name::<U>())?;
        Ok(auth)
    }

    fn auth(&self) -> Result<&Auth, Error> {
        of_core(&self.0.core).ok_or_else(no_users)
    }
}

/// The users of an engine, if it has any.
fn of_core(core: &Core) -> Option<&Auth> {
    (&**core.users.as_ref()? as &dyn Any).downcast_ref()
}

fn no_users() -> Error {
    Error::new(ErrorKind::Config, "the session manager has no users: call with_users")
}

impl SessionManager {
    /// Sets the users that sessions belong to, and the keys that tie sessions to their passwords.
    /// [`Session::authenticate`], [`Session::login`] and [`Session::user`] need it, and so do the extractors of the
    /// adapters.
    ///
    /// Your own user type needs no parameter on the manager; name the type where you extract a user: `user_as`,
    /// `CurrentUser<Account>`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), shared_session::Error> {
    /// # #[cfg(feature = "sqlite")] {
    /// use shared_session::{SecretKeys, SessionManager, store::MemoryStore, users::SqlUsers};
    ///
    /// let users = SqlUsers::connect("sqlite://users.sqlite").await?;
    /// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
    /// let manager = SessionManager::new(MemoryStore::new()).with_users(users, keys);
    /// # }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "with_auth")]
    #[must_use]
    pub fn with_users(self, users: impl Users, keys: SecretKeys) -> Self {
        self.with(|core| core.users = Some(Arc::new(Auth::new(users, keys))))
    }

    /// Ends all sessions of the user of `session` except this one, and renews this one's cookie. This is not a sign-in:
    /// the session keeps its lifetime and the [age](Session::authenticated_at) of its sign-in. Returns how many
    /// sessions were deleted. Without an epoch it behaves as [`revoke_all`](Self::revoke_all).
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the session has no signed-in user. [`ErrorKind::Unavailable`] if the database
    /// or the store fails; if the store fails, this session may have ended with the others, and without an epoch others
    /// may live on. [`ErrorKind::ReadOnly`] on HEAD and OPTIONS, and [`ErrorKind::Closed`] in a
    /// [reopened](Session::reopen) session, which cannot get a new cookie: no session ends.
    pub async fn revoke_others(&self, session: &Session) -> Result<u64, Error> {
        session.past_user_cache();
        let user = session.signed_in().await?;
        let auth = session.auth()?;
        // Once the epoch is raised, this session needs its new cookie: what the store refuses must fail before.
        session.check_cookie()?;
        if session.has_edited_entries()? {
            session.commit().await?;
        }
        let raised = auth.raise_epoch(&user.id()).await?;
        let identity = auth.identity(&*user);
        session.renew_cookie(Identity { epoch: raised.unwrap_or(identity.epoch), ..identity })?;
        session.commit().await?;
        let (user_id, keep) = (user.id(), session.handle());
        let ended = match raised {
            Some(_) => self.clean_up(&user_id, keep.as_ref()).await,
            None => self.end_sessions_of(&user_id, keep.as_ref()).await?,
        };
        self.0.tell_all_revoked(&user_id, ended);
        Ok(ended)
    }
}
