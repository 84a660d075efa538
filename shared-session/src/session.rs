//! A request's session: the handle that loads it, and the loaded session that handlers edit.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

#[cfg(feature = "django")]
use crate::profile::django::pickle::PyValue;
use crate::{
    Client, Error, ErrorKind, Failure, Reply,
    commit::{Draft, Intent, Loaded, Plan, decide},
    data::{Json, MissedTake, step},
    id::{Handle, Token},
    manager::{CookieAction, Core},
    profile::{Identity, Record},
    store::StoreTime,
};

/// The session of one request before it is loaded: what a middleware puts where extractors find it.
///
/// Cloning is cheap; all clones are the same session.
#[derive(Clone)]
pub struct SessionHandle(pub(crate) Arc<Inner>);

/// A loaded session. Reads and edits are synchronous; what was edited is committed, in one atomic step, before the
/// response is sent.
///
/// Edits are merged with those of other requests and services: different entries never overwrite each other,
/// [`update`](Session::update) is replayed on the newest value, and of two [`insert`](Session::insert)s of one entry the
/// later stands. Responses with a 5xx status commit nothing.
///
/// ```
/// # use shared_session::{SessionManager, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let manager = SessionManager::new(MemoryStore::new());
/// # let handle = manager.open(std::iter::empty());
/// let session = handle.load().await?;
/// let visits = session.update("visits", |n: Option<u64>| Some(n.unwrap_or(0) + 1))?;
/// assert_eq!(visits, Some(1));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    /// The well-formed cookie that was sent.
    pub(crate) token: Option<Token>,
    /// HEAD and OPTIONS commit nothing.
    pub(crate) read_only: bool,
    pub(crate) loading: OnceCell<()>,
    pub(crate) state: Mutex<State>,
}

#[expect(clippy::large_enum_variant, reason = "it lives in the one allocation of the handle")]
pub(crate) enum State {
    Unloaded,
    /// The request is answered with `error`, and with the cookie of a commit that succeeded before.
    Failed {
        error: Error,
        cookie: CookieAction,
    },
    Open(Open),
    /// `commit().await` is under way. If that future was dropped, nobody knows its result.
    Committing,
    Closed,
}

/// An open draft, and what earlier commits of this request left to send.
pub(crate) struct Open {
    pub(crate) draft: Draft,
    pub(crate) cookie: CookieAction,
    #[cfg(feature = "users")]
    pub(crate) user: Option<Option<crate::users::User>>,
}

impl Open {
    pub(crate) fn new(draft: Draft, cookie: CookieAction) -> Self {
        Self {
            draft,
            cookie,
            #[cfg(feature = "users")]
            user: None,
        }
    }
}

impl Inner {
    pub(crate) fn new(core: Arc<Core>, token: Option<Token>, read_only: bool) -> Self {
        Self { core, token, read_only, loading: OnceCell::new(), state: Mutex::new(State::Unloaded) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request will be answered with `error` whatever its handler returns.
    #[cfg(feature = "users")]
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.state();
        let cookie = match std::mem::replace(&mut *state, State::Closed) {
            State::Open(open) => open.cookie,
            _ => CookieAction::Keep,
        };
        *state = State::Failed { error, cookie };
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Open) -> Result<T, Error>) -> Result<T, Error> {
        match &mut *self.state() {
            State::Open(open) => f(open),
            State::Failed { error, .. } => Err(error.clone()),
            State::Committing => Err(Error::new(ErrorKind::Closed, "the session is being committed")),
            State::Unloaded | State::Closed => {
                Err(Error::new(ErrorKind::Closed, "the session was used after its response was decided"))
            }
        }
    }
}

/// Where a session is looked for first.
#[derive(Clone, Copy)]
enum Source {
    NearCache,
    Store,
}

impl SessionHandle {
    /// Loads the session: at most one round trip for a request, none if no well-formed cookie was sent. An unknown,
    /// expired or replaced cookie is an anonymous visitor, not an error.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store fails; the request is then answered with 503 whatever its handler
    /// returns. [`ErrorKind::Closed`] after the response was decided.
    pub async fn load(&self) -> Result<Session, Error> {
        self.load_from(Client::default).await
    }

    /// As [`load`](Self::load), past a near cache ([`SessionManager::with_near_cache`](crate::SessionManager)): for a request that must not be answered with what
    /// another service changed or ended less than a second ago. One round trip. To be called before anything else loads
    /// the session: what is loaded stays.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_fresh(&self) -> Result<Session, Error> {
        self.load_fresh_from(Client::default).await
    }

    /// As [`load_fresh`](Self::load_fresh), with `client` as [`load_from`](Self::load_from) takes it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_fresh_from(&self, client: impl FnOnce() -> Client) -> Result<Session, Error> {
        self.load_by(client, Source::Store).await
    }

    /// As [`load`](Self::load); `client` describes the browser, for the list of devices, in case a session starts.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn load_from(&self, client: impl FnOnce() -> Client) -> Result<Session, Error> {
        self.load_by(client, Source::NearCache).await
    }

    async fn load_by(&self, client: impl FnOnce() -> Client, source: Source) -> Result<Session, Error> {
        let inner = &*self.0;
        inner
            .loading
            .get_or_init(async || {
                let loaded = match (&inner.token, source) {
                    (Some(token), Source::NearCache) => inner.core.load(token).await,
                    (Some(token), Source::Store) => inner.core.load_fresh(token).await,
                    (None, _) => Ok((Loaded::Nothing { refused: false }, StoreTime::default())),
                };
                let mut state = inner.state();
                match loaded {
                    _ if !matches!(*state, State::Unloaded) => {}
                    Ok((base, now)) => {
                        *state = State::Open(Open::new(Draft::new(base, now, client()), CookieAction::Keep));
                    }
                    Err(error) => *state = State::Failed { error, cookie: CookieAction::Keep },
                }
            })
            .await;
        self.0.with(|_| Ok(Session(Arc::clone(&self.0))))
    }

    /// The loaded session, if [`load`](Self::load) succeeded before.
    #[must_use]
    pub fn loaded(&self) -> Option<Session> {
        self.0.with(|_| Ok(Session(Arc::clone(&self.0)))).ok()
    }

    /// What a form token is bound to: the handle and the hash of the secret that the request presented. `None` if no
    /// well-formed cookie was sent. No I/O.
    #[must_use]
    pub fn form_binding(&self) -> Option<String> {
        let token = self.0.token.as_ref()?;
        Some(format!("{}.{}", token.handle, token.secret.hash()))
    }

    /// The response for `failure`, as the manager's hook makes it, and a line in the log: an error for what is broken
    /// here, a warning for what does not answer, else for debugging only.
    #[must_use]
    pub fn reply(&self, failure: &Failure<'_>) -> Reply {
        let error = failure.error;
        let cause = std::error::Error::source(error).map(tracing::field::display);
        match error.kind().status() {
            500 => tracing::error!(%error, cause, method = failure.method, "a request failed"),
            503 => tracing::warn!(%error, cause, method = failure.method, "a request cannot be answered now"),
            status => tracing::debug!(%error, status, method = failure.method, "a request was refused"),
        }
        self.0.core.on_error.reply(&Failure { retry_after: self.0.core.retry_after, ..*failure })
    }
}

impl Session {
    /// The value of `name`, or `None` if there is none. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is not a `T`. [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.0.with(|open| open.draft.delta.get(open.draft.base.entries()?, name).map(Json::decode).transpose())
    }

    /// The names of all entries, sorted. No I/O.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn names(&self) -> Result<Vec<String>, Error> {
        self.0.with(|open| Ok(open.draft.delta.names(open.draft.base.entries()?)))
    }

    /// Sets `name` to `value`, whatever is stored then. Starts a session if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `value` cannot be written as JSON.
    pub fn insert<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Error> {
        let value = Json::encode(value)?;
        self.0.with(|open| {
            open.draft.base.entries()?;
            open.draft.delta.insert(name, value);
            Ok(())
        })
    }

    /// The value of `name` as Python sees it, also where JSON has no such value: a datetime, a tuple, bytes. In a Django
    /// profile; in the native one values are JSON. No I/O.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[cfg(feature = "django")]
    pub fn get_python(&self, name: &str) -> Result<Option<PyValue>, Error> {
        self.0.with(|open| open.draft.delta.get(open.draft.base.entries()?, name).map(Json::to_python).transpose())
    }

    /// Sets `name` to a Python value, for Django to read. What the session's codec cannot hold becomes what Django's own
    /// JSON encoder makes of it.
    ///
    /// # Errors
    /// [`ErrorKind::Value`], here or at the commit, if the session's format has no such value.
    #[cfg(feature = "django")]
    pub fn insert_python(&self, name: &str, value: PyValue) -> Result<(), Error> {
        let value = Json::python(value);
        self.0.with(|open| {
            open.draft.base.entries()?;
            open.draft.delta.insert(name, value);
            Ok(())
        })
    }

    /// Changes `name` by a closure from its value to the next (`None`: absent) and returns the value that this request
    /// now sees. The closure must be pure: it runs again on the newest value if another request was faster. To answer
    /// with the value that was really stored, [`commit`](Self::commit) first and read it again.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the value is not a `T`.
    pub fn update<T, F>(&self, name: &str, f: F) -> Result<Option<T>, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        self.0.with(|open| {
            let next = open.draft.delta.update(open.draft.base.entries()?, name, step(f))?;
            next.as_ref().map(Json::decode).transpose()
        })
    }

    /// Removes `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.0.with(|open| {
            open.draft.base.entries()?;
            open.draft.delta.remove(name);
            Ok(())
        })
    }

    /// Removes `name` and returns its value. Two requests may both take a value, unless they
    /// [`commit`](Self::commit): then all but one get [`ErrorKind::Conflict`].
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the value is not a `T`; it then stays.
    pub fn take<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.0.with(|open| {
            let entries = open.draft.base.entries()?;
            let Some(value) = open.draft.delta.get(entries, name).map(Json::decode).transpose()? else {
                return Ok(None);
            };
            open.draft.delta.take(entries, name);
            Ok(Some(value))
        })
    }

    /// Replaces the secret in the cookie; the old cookie is refused from the commit on. Call it when privileges change;
    /// [`login_as`](Self::login_as) does by itself.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    pub fn cycle_id(&self) -> Result<(), Error> {
        self.0.with(|open| {
            if open.draft.intent == Intent::Keep {
                open.draft.intent = Intent::Rotate;
            }
            Ok(())
        })
    }

    /// Ends the session: its record is deleted and its cookie removed. Edits that follow start a new session.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    pub fn flush(&self) -> Result<(), Error> {
        self.0.with(|open| {
            open.draft.flush();
            #[cfg(feature = "users")]
            {
                open.user = None;
            }
            Ok(())
        })
    }

    /// Signs a user in: the cookie is replaced and the absolute lifetime starts again. Entries survive if nobody or the
    /// same user was signed in before; otherwise a new session starts.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    pub fn login_as(&self, identity: Identity) -> Result<(), Error> {
        self.0.with(|open| {
            open.draft.intent = Intent::Login(identity);
            if matches!(open.draft.base, Loaded::Unreadable(..)) {
                // What cannot be read stays as it is; edits that follow belong to the new session.
                open.draft.base = Loaded::Nothing { refused: false };
            }
            #[cfg(feature = "users")]
            {
                open.user = None;
            }
            Ok(())
        })
    }

    /// Signs the user out; the same as [`flush`](Self::flush).
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn logout(&self) -> Result<(), Error> {
        self.flush()
    }

    /// Who the record says is signed in. To know whether that still holds, ask for the current user.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        self.0.with(|open| {
            open.draft.base.entries()?;
            Ok(match (&open.draft.intent, &open.draft.base) {
                (Intent::Login(identity), _) => Some(identity.clone()),
                (_, Loaded::Record(_, record)) => record.head.user.clone(),
                _ => None,
            })
        })
    }

    /// The session's public name; `None` while there is no session in the store.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.record(|token, _| token.handle)
    }

    /// When the session started, in store time; `None` while there is none in the store, or if another program made it
    /// that does not say.
    #[must_use]
    pub fn created_at(&self) -> Option<StoreTime> {
        self.record(|_, record| record.started()).flatten()
    }

    /// When the session ends unless it is used, in store time.
    #[must_use]
    pub fn expires_at(&self) -> Option<StoreTime> {
        self.record(|_, record| record.head.limits.expires())
    }

    /// Commits the edits now, whatever becomes of the request, and reloads the merged result. A cookie that this makes
    /// is sent with any response. One or more round trips; runs to its end even if the request is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] or [`ErrorKind::Gone`] if the session was taken over or ended, [`ErrorKind::Unavailable`]
    /// if the store fails: the request is then answered with that error whatever its handler returns.
    /// [`ErrorKind::Conflict`] if a value that was taken is gone: nothing is written, and the session, reloaded without
    /// the edits, can be used further.
    pub async fn commit(&self) -> Result<(), Error> {
        let inner = &*self.0;
        if inner.read_only {
            return Ok(());
        }
        let Some((open, plan)) = self.begin()? else { return Ok(()) };
        let result = inner.core.write_on_own_task(plan).await;
        let base = match &result {
            Ok(written) => written.loaded(),
            Err(error) if error.kind() == ErrorKind::Conflict => inner.core.reload(&open.draft.base).await?,
            Err(error) => {
                *inner.state() = State::Failed { error: error.clone(), cookie: open.cookie };
                return result.map(drop);
            }
        };
        let cookie = result.as_ref().map_or(CookieAction::Keep, |written| written.cookie.clone());
        let draft = Draft::new(base, open.draft.loaded_at, open.draft.client);
        *inner.state() = State::Open(Open::new(draft, open.cookie.then(cookie)));
        result.map(drop)
    }

    /// Takes the draft for a commit; `None` if there is nothing to do.
    fn begin(&self) -> Result<Option<(Open, Plan)>, Error> {
        let mut state = self.0.state();
        let open = match std::mem::replace(&mut *state, State::Committing) {
            State::Open(open) => open,
            other => {
                *state = other;
                drop(state);
                return self.0.with(|_| Ok(None));
            }
        };
        match decide(open.draft.clone(), &self.0.core.lifetime, MissedTake::Fail) {
            Ok(Some(plan)) => Ok(Some((open, plan))),
            Ok(None) => {
                *state = State::Open(open);
                Ok(None)
            }
            Err(error) => {
                *state = State::Failed { error: error.clone(), cookie: open.cookie };
                Err(error)
            }
        }
    }

    fn record<T>(&self, f: impl FnOnce(&Token, &Record) -> T) -> Option<T> {
        self.0
            .with(|open| {
                Ok(match &open.draft.base {
                    Loaded::Record(token, record) => Some(f(token, record)),
                    _ => None,
                })
            })
            .ok()
            .flatten()
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
