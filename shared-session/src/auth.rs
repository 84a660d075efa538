//! From a session to its user: sign-in, and the check that it still holds.
//!
//! A session that is signed in carries two marks of its user's row: a hash derived from the password column, and the
//! epoch. [`SessionHandle::user`] compares them, and `is_active`, with the row by one SELECT. So a new password, a raised
//! epoch or a deactivated account ends every session at once, even those that a failing store brings back.

use std::{fmt, sync::Arc};

use crate::{
    Error, ErrorKind, Identity, SecretKeys, Session, SessionHandle, SessionManager,
    commit::Loaded,
    users::{User, Users, UsersDyn},
};

/// Users, and the keys that tie sessions to them.
///
/// ```no_run
/// # async fn example() -> Result<(), shared_session::Error> {
/// # #[cfg(feature = "sqlite")] {
/// use shared_session::{SecretKeys, SessionManager, auth::Auth, store::MemoryStore, users::SqlUsers};
///
/// let users = SqlUsers::connect("sqlite://users.sqlite").await?;
/// let keys = SecretKeys::new("a secret key of at least thirty-two bytes")?;
/// let manager = SessionManager::new(MemoryStore::new()).with_auth(Auth::new(users, keys));
/// # }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Auth {
    users: Arc<dyn UsersDyn>,
    keys: SecretKeys,
}

impl Auth {
    /// Sessions belong to `users` and are tied to their passwords with `keys`.
    #[must_use]
    pub fn new(users: impl Users, keys: SecretKeys) -> Self {
        Self { users: Arc::new(users), keys }
    }

    /// What a session of `user` carries.
    #[must_use]
    pub fn identity(&self, user: &User) -> Identity {
        Identity::new(&user.id, user.session_auth_hash(&self.keys), user.epoch)
    }

    fn holds(&self, identity: &Identity, user: &User) -> bool {
        user.is_active
            && user.id == identity.user_id
            && user.epoch == identity.epoch
            && user.verify_session_auth_hash(&self.keys, &identity.auth_hash)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl SessionHandle {
    /// Who is signed in, checked against the user's row; `None` for anonymous visitors. Loads the session, then one
    /// SELECT; both once for a request. If the row disagrees with the session, the session is loaded once more (a new
    /// password is written to SQL first); if it still does, this request is anonymous and nothing is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store or the database fails; the request is then answered with 503 whatever
    /// its handler returns. [`ErrorKind::Unreadable`] if the record cannot be decoded. [`ErrorKind::Config`] without
    /// [`SessionManager::with_auth`].
    pub async fn user(&self) -> Result<Option<User>, Error> {
        self.load().await?.user().await
    }
}

impl Session {
    /// As [`SessionHandle::user`].
    ///
    /// # Errors
    /// As [`SessionHandle::user`].
    pub async fn user(&self) -> Result<Option<User>, Error> {
        if let Some(user) = self.0.with(|open| Ok(open.user.clone()))? {
            return Ok(user);
        }
        let user = match self.identity()? {
            None => None,
            Some(identity) => match self.find(&identity).await {
                Ok(user) => user,
                Err(error) => {
                    self.0.fail(error.clone());
                    return Err(error);
                }
            },
        };
        self.0.with(|open| {
            open.user = Some(user.clone());
            Ok(user)
        })
    }

    /// Signs `user` in; see [`login_as`](Self::login_as). No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without [`SessionManager::with_auth`].
    pub fn login(&self, user: &User) -> Result<(), Error> {
        self.login_as(self.auth()?.identity(user))
    }

    /// The permissions of `user`, for [`User::has_perm`]. One round trip to the database.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails.
    pub async fn permissions(&self, user: &User) -> Result<std::collections::BTreeSet<String>, Error> {
        self.auth()?.users.permissions(user).await
    }

    async fn find(&self, identity: &Identity) -> Result<Option<User>, Error> {
        let auth = self.auth()?;
        let Some(user) = auth.users.find(&identity.user_id).await? else { return Ok(None) };
        if auth.holds(identity, &user) {
            return Ok(Some(user));
        }
        let base = self.0.with(|open| Ok(open.draft.base.clone()))?;
        let newer = self.0.core.reload(&base).await?;
        let holds = match &newer {
            Loaded::Record(_, record) => record.head.user.as_ref().is_some_and(|identity| auth.holds(identity, &user)),
            _ => false,
        };
        if !holds {
            return Ok(None);
        }
        self.0.with(|open| {
            open.draft.base = newer;
            Ok(Some(user))
        })
    }

    fn auth(&self) -> Result<&Auth, Error> {
        self.0.core.auth.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Config, "the session manager knows no users; give it some with with_auth")
        })
    }
}

impl SessionManager {
    /// Ends all sessions of `user`, here and everywhere: raises the epoch, which is what counts, then deletes the
    /// sessions in the index. Says how many were deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails: nothing is ended. If only the session store fails, the
    /// sessions are ended but their records remain until they expire, and that is no error.
    pub async fn revoke_user(&self, user_id: &str) -> Result<u64, Error> {
        let Some(auth) = self.auth() else {
            return Err(Error::new(
                ErrorKind::Config,
                "the session manager knows no users; give it some with with_auth",
            ));
        };
        auth.users.raise_epoch(user_id).await?;
        Ok(self.clean_up(user_id, None).await)
    }

    /// Ends all sessions of the user of `session` but this one, and renews this one's cookie. Says how many were
    /// deleted.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if nobody is signed in. [`ErrorKind::Unavailable`] if the database or the store
    /// fails; if it is the store, this session may be ended with the others.
    pub async fn revoke_others(&self, session: &Session) -> Result<u64, Error> {
        let Some(mut user) = session.user().await? else { return Err(ErrorKind::Unauthenticated.into()) };
        user.epoch = session.auth()?.users.raise_epoch(&user.id).await?;
        session.login(&user)?;
        session.commit().await?;
        Ok(self.clean_up(&user.id, session.handle()).await)
    }

    async fn clean_up(&self, user_id: &str, keep: Option<crate::Handle>) -> u64 {
        self.revoke_sessions_of(user_id, keep.as_ref()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "ended sessions remain in the store until they expire");
            0
        })
    }
}
