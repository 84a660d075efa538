//! From a session to its user: sign-in, and the check that it still holds.
//!
//! A session that is signed in carries two marks of its user's row: a hash derived from the password column, and the
//! epoch. [`LazySession::user`] compares them, and `is_active`, with the row by one SELECT. So a new password, a raised
//! epoch or a deactivated account ends every session at once, even those that a failing store brings back.
//!
//! With the keys of a [Django deployment](SecretKeys::django) the hash is Django's, and there is no epoch: Django's
//! tables have none. Ending all sessions of a user then means deleting them.

mod other_key;

use std::{any::Any, collections::BTreeSet, error::Error as StdError, fmt, sync::Arc};

use crate::{
    Error, ErrorKind, Identity, LazySession, SecretKeys, Session, SessionManager,
    engine::{
        core::Core,
        draft::Loaded,
        owners::{Owner, Owners},
    },
    keys::Scheme,
    store::BoxFuture,
    users::{User, Users, UsersDyn, Verified, login_options::LoginOptions},
};
use other_key::OtherKey;

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
    other_key: Arc<OtherKey>,
}

impl Auth {
    /// Sessions belong to `users` and are tied to their passwords with `keys`.
    #[must_use]
    pub fn new(users: impl Users, keys: SecretKeys) -> Self {
        Self { users: Arc::new(users), keys, other_key: Arc::default() }
    }

    /// What a session of `user` carries.
    #[must_use]
    pub fn identity(&self, user: &User) -> Identity {
        let epoch = if self.has_epochs() { user.epoch } else { 0 };
        Identity::new(&user.id, user.session_auth_hash(&self.keys), epoch)
    }

    /// Whether a session that carries `identity` is one of `user`, as the row is now.
    pub(crate) fn check(&self, identity: &Identity, user: &User) -> Held {
        let same_epoch = !self.has_epochs() || user.epoch == identity.epoch;
        if !user.is_active || user.id != identity.user_id || !same_epoch {
            return Held::No;
        }
        match user.verify_session_auth_hash(&self.keys, &identity.auth_hash) {
            Verified::Current => Held::Yes,
            Verified::Fallback => Held::Renew(self.identity(user)),
            // Sessions from before there were hashes have none.
            Verified::No if identity.auth_hash.is_empty() => Held::No,
            Verified::No => Held::OtherHash,
        }
    }

    fn has_epochs(&self) -> bool {
        self.keys.scheme() == Scheme::Native
    }
}

impl Owners for Auth {
    fn find<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Box<dyn Owner>>, Error>> {
        Box::pin(async {
            let user = self.users.find(&identity.user_id).await?;
            Ok(user.map(|user| Box::new(Row { auth: self.clone(), user }) as _))
        })
    }

    fn raise_epoch<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>> {
        Box::pin(async {
            if !self.has_epochs() {
                return Ok(None);
            }
            self.users.raise_epoch(user_id).await.map(Some)
        })
    }
}

/// A user's row, and what its marks are checked with.
struct Row {
    auth: Auth,
    user: User,
}

impl Owner for Row {
    fn is_active(&self) -> bool {
        self.user.is_active
    }

    fn holds(&self, identity: &Identity) -> bool {
        self.auth.check(identity, &self.user).is_valid()
    }
}

/// What became of a session's marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    No,
    /// All but the auth hash is that of the user's row: a new password, or another key.
    OtherHash,
    Yes,
    /// They hold, under an earlier key: the session should carry these before that key is dropped.
    Renew(Identity),
}

impl Held {
    fn is_valid(&self) -> bool {
        matches!(self, Self::Yes | Self::Renew(_))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl LazySession {
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
    /// As [`LazySession::user`].
    ///
    /// # Errors
    /// As [`LazySession::user`].
    pub async fn user(&self) -> Result<Option<User>, Error> {
        let known = self.0.with(|open| Ok(open.user.as_ref().and_then(|user| user.downcast_ref().cloned())))?;
        if let Some(user) = known {
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
        let base = self.0.with(|open| {
            open.user = Some(Box::new(user.clone()));
            Ok(open.draft.base.clone())
        })?;
        if let (Some(user), Loaded::Record(token, record)) = (&user, &base) {
            self.0.core.index_once(token, record, &user.id).await;
        }
        Ok(user)
    }

    /// As [`user`](Self::user), for what only a signed-in user may do.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if nobody is signed in; [`SignedOut::of`] says why. Otherwise as
    /// [`user`](Self::user).
    pub async fn require_user(&self) -> Result<User, Error> {
        if let Some(user) = self.user().await? {
            return Ok(user);
        }
        let why = match () {
            () if self.identity()?.is_some() => SignedOut::Ended,
            () if self.handle().is_some() => SignedOut::Anonymous,
            () if self.0.presented().is_some() => SignedOut::Ended,
            () => SignedOut::NoCookie,
        };
        Err(why.into_error())
    }

    /// Signs `user` in; see [`login_as`](Self::login_as). No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without [`SessionManager::with_auth`].
    pub fn login(&self, user: &User) -> Result<(), Error> {
        self.login_with(user, LoginOptions::new())
    }

    /// As [`login`](Self::login), with options: whether the user stays signed in when the browser is closed, or when the
    /// session ends. They are stored with the session, so every service keeps to them. No I/O.
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub fn login_with(&self, user: &User, options: LoginOptions) -> Result<(), Error> {
        let auth = self.auth()?;
        auth.other_key.has_seen_a_change(user);
        self.sign_in(auth.identity(user), options.into_expiry(&self.0.core.lifetime))
    }

    /// The permissions of `user`, for [`User::has_perm`]. One round trip to the database.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the database fails.
    pub async fn permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        self.auth()?.users.permissions(user).await
    }

    /// Goes on only if `user` has `permission`, such as `blog.add_post`. Superusers have every permission. One round trip
    /// to the database each time, none for superusers.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] without the permission. [`ErrorKind::Unavailable`] if the database fails.
    pub async fn require_perm(&self, user: &User, permission: &str) -> Result<(), Error> {
        let allowed =
            user.has_perm(&BTreeSet::new(), permission) || user.has_perm(&self.permissions(user).await?, permission);
        if allowed { Ok(()) } else { Err(ErrorKind::Forbidden.into()) }
    }

    async fn find(&self, identity: &Identity) -> Result<Option<User>, Error> {
        let auth = self.auth()?;
        let Some(user) = auth.users.find(&identity.user_id).await? else { return Ok(None) };
        let saw_a_change = auth.other_key.has_seen_a_change(&user);
        let held = auth.check(identity, &user);
        if held.is_valid() {
            self.renew(held);
            return Ok(Some(user));
        }
        let base = self.0.with(|open| Ok(open.draft.base.clone()))?;
        let newer = self.0.core.reload(&base).await?;
        let held = match &newer {
            Loaded::Record(_, record) => record.head.user.as_ref().map_or(Held::No, |now| auth.check(now, &user)),
            _ => Held::No,
        };
        if !held.is_valid() {
            if held == Held::OtherHash && !saw_a_change {
                self.report_other_key(auth);
            }
            return Ok(None);
        }
        self.0.with(|open| {
            open.draft.base = newer;
            Ok(())
        })?;
        self.renew(held);
        Ok(Some(user))
    }

    fn report_other_key(&self, auth: &Auth) {
        self.0.core.stats.other_hashes.add_one();
        if auth.other_key.is_due() {
            tracing::warn!(
                "a session does not count as signed in: its user is there, but its auth hash is of another secret key, or \
                 from before a change of the password that this service has not seen. If it goes on, the services have \
                 different SECRET_KEYs. shared_session_other_hashes_total counts; this line comes once in 10 minutes"
            );
        }
    }

    /// Marks that hold under an earlier key are replaced with the next commit.
    fn renew(&self, held: Held) {
        if let Held::Renew(identity) = held {
            // An error means that the request is decided already: the next one renews them.
            let _ = self.0.with(|open| {
                open.draft.renew = Some(identity);
                Ok(())
            });
        }
    }

    fn auth(&self) -> Result<&Auth, Error> {
        of_core(&self.0.core).ok_or_else(|| {
            Error::new(ErrorKind::Config, "the session manager knows no users; give it some with with_auth")
        })
    }
}

/// The users of an engine, if it was given some.
fn of_core(core: &Core) -> Option<&Auth> {
    (&**core.users.as_ref()? as &dyn Any).downcast_ref()
}

impl SessionManager {
    /// The users that sessions belong to: makes [`LazySession::user`] and sign-in by [`User`]
    /// work.
    #[must_use]
    pub fn with_auth(self, auth: Auth) -> Self {
        self.with(|core| core.users = Some(Arc::new(auth)))
    }

    /// The users given by [`with_auth`](Self::with_auth).
    #[must_use]
    pub fn auth(&self) -> Option<&Auth> {
        of_core(&self.0)
    }

    /// Ends all sessions of the user of `session` but this one, and renews this one's cookie. Says how many were
    /// deleted. In a Django deployment as [`revoke_all`](Self::revoke_all) does.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if nobody is signed in. [`ErrorKind::Unavailable`] if the database or the store
    /// fails; if it is the store, this session may be ended with the others, and in a Django deployment others may live
    /// on. [`ErrorKind::ReadOnly`] on HEAD and OPTIONS and [`ErrorKind::Closed`] in a
    /// [reopened](SessionManager::reopen) session, which can get no new cookie: nothing is ended.
    pub async fn revoke_others(&self, session: &Session) -> Result<u64, Error> {
        let mut user = session.require_user().await?;
        let auth = session.auth()?;
        // Once the epoch is raised, this session needs its new cookie.
        session.check_cookie()?;
        let raised = auth.raise_epoch(&user.id).await?;
        user.epoch = raised.unwrap_or(user.epoch);
        session.login_with(&user, LoginOptions::new().with_expiry(session.expiry()?))?;
        session.commit().await?;
        let keep = session.handle();
        match raised {
            Some(_) => Ok(self.clean_up(&user.id, keep.as_ref()).await),
            None => self.end_sessions_of(&user.id, keep.as_ref()).await,
        }
    }
}

/// Why nobody is signed in: the source of the error of [`Session::require_user`], which extractors of signed-in users
/// answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignedOut {
    /// The client sent no session cookie, or several of which nobody can tell which one counts: a first visit, or a browser
    /// that does not keep the cookie.
    NoCookie,
    /// The cookie is that of a session that has ended: it expired, was signed out or revoked, or its user has a new password
    /// or is not active any more.
    Ended,
    /// There is a session in which nobody has signed in.
    Anonymous,
}

impl SignedOut {
    /// Why `error` says that nobody is signed in, if it does.
    ///
    /// ```
    /// # use shared_session::{SecretKeys, SessionManager, auth::{Auth, SignedOut}, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let session = manager.open([]).load().await?;
    /// let error = session.require_user().await.unwrap_err();
    /// assert_eq!(SignedOut::of(&error), Some(SignedOut::NoCookie));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    fn into_error(self) -> Error {
        let error = Error::new(ErrorKind::Unauthenticated, "nobody is signed in").with_source(self);
        match self {
            Self::NoCookie => error.with_public_message("No session cookie was sent. Please sign in."),
            Self::Ended => error.with_public_message("Your session has ended. Please sign in."),
            Self::Anonymous => error,
        }
    }
}

impl fmt::Display for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCookie => "no session cookie was sent",
            Self::Ended => "the session has ended",
            Self::Anonymous => "nobody has signed in",
        })
    }
}

impl StdError for SignedOut {}

#[cfg(all(test, feature = "django"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Tables without epochs: asking for one is a failure.
    struct NoEpochs;

    impl Users for NoEpochs {
        async fn find(&self, id: &str) -> Result<Option<User>, Error> {
            Ok((id == "1").then(ann))
        }
        async fn find_by_name(&self, _: &str) -> Result<Option<User>, Error> {
            Ok(None)
        }
        async fn set_password(&self, _: &str, _: &str) -> Result<Option<User>, Error> {
            Ok(None)
        }
        async fn raise_epoch(&self, _: &str) -> Result<i64, Error> {
            Err(ErrorKind::Config.into())
        }
        async fn permissions(&self, _: &User) -> Result<BTreeSet<String>, Error> {
            Ok(BTreeSet::new())
        }
        async fn groups(&self, _: &User) -> Result<Vec<String>, Error> {
            Ok(Vec::new())
        }
    }

    fn ann() -> User {
        User::new("1", "ann").with_encoded_password("pbkdf2_sha256$1$salt$hash")
    }

    #[test]
    fn marks_under_an_earlier_key_hold_and_are_renewed() {
        for (old, new) in [
            (SecretKeys::django("old").unwrap(), SecretKeys::django("new").unwrap().with_fallback("old").unwrap()),
            (
                SecretKeys::new("o".repeat(32)).unwrap(),
                SecretKeys::new("n".repeat(32)).unwrap().with_fallback("o".repeat(32)).unwrap(),
            ),
        ] {
            let (old, new) = (Auth::new(NoEpochs, old), Auth::new(NoEpochs, new));
            let marks = old.identity(&ann());
            assert_eq!(old.check(&marks, &ann()), Held::Yes);
            assert_eq!(new.check(&marks, &ann()), Held::Renew(new.identity(&ann())));
            assert_eq!(new.check(&new.identity(&ann()), &ann()), Held::Yes);
            assert_eq!(old.check(&new.identity(&ann()), &ann()), Held::OtherHash);
            let mut inactive = ann();
            inactive.is_active = false;
            assert_eq!(new.check(&marks, &inactive), Held::No);
            assert_eq!(new.check(&marks, &ann().with_encoded_password("another")), Held::OtherHash);
            assert_eq!(new.check(&Identity { auth_hash: String::new(), ..marks.clone() }, &ann()), Held::No);
            assert_eq!(new.check(&Identity { user_id: "2".into(), ..marks }, &ann()), Held::No);
        }
    }

    #[test]
    fn an_epoch_counts_unless_the_deployment_is_django_s() {
        let mut raised = ann();
        raised.epoch = 3;
        let native = Auth::new(NoEpochs, SecretKeys::new("k".repeat(32)).unwrap());
        assert_eq!(native.identity(&raised).epoch, 3);
        assert_eq!(native.check(&native.identity(&ann()), &raised), Held::No);
        let django = Auth::new(NoEpochs, SecretKeys::django("k").unwrap());
        assert_eq!(django.identity(&raised).epoch, 0);
        assert_eq!(django.check(&django.identity(&ann()), &raised), Held::Yes);
    }
}
