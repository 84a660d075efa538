//! A request's loaded session, which handlers edit.

pub(crate) mod commit_now;
pub(crate) mod key;
pub(crate) mod lazy;
pub(crate) mod load_options;
pub(crate) mod status;
pub(crate) mod typed_update;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    engine::{
        draft::{Intent, Loaded, edits::Delta},
        request::{Open, RequestState, State, read_only},
        session::{
            key::{EntryFor, EntryName, EntryOf},
            typed_update::TypedUpdate,
        },
    },
    error::{Error, ErrorKind},
    record::{
        Identity, Record,
        entries::{Entries, Json},
        expiry::Expiry,
        id::{Handle, Token},
    },
    stderr,
    store::StoreTime,
};

/// The number of times that an update is tried while other tasks of its request, or its own closure, edit its entry.
const ATTEMPTS: usize = 64;

/// A loaded session. In handlers take the wrapper of the same name of your adapter:
/// [`shared_session_axum::Session`](https://docs.rs/shared-session-axum/latest/shared_session_axum/struct.Session.html)
/// or [`shared_session_actix::Session`](https://docs.rs/shared-session-actix/latest/shared_session_actix/struct.Session.html).
/// This type is no extractor.
///
/// Reads and edits are synchronous; the edits are committed, in one atomic step, before the response is sent.
///
/// Edits are merged with those of other requests and services: different entries never overwrite each other,
/// [`update`](Session::update) is replayed on the newest value, and of two [`insert`](Session::insert)s of one entry
/// the later wins. Responses with a 5xx status commit nothing.
///
/// ```
/// # use shared_session::{SessionManager, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
/// # let manager = SessionManager::new(MemoryStore::new());
/// # let request = manager.open(std::iter::empty());
/// let session = request.load().await?;
/// let visits = session.update_or("visits", 0, |visits: u64| visits + 1)?;
/// assert_eq!(visits, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session(pub(crate) Arc<RequestState>);

impl Session {
    /// The value of `name`, or `None` if there is none. A stored `null` is `None` as well, unless `T` reads `null`
    /// itself, as an `Option` does. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the value is not a `T`; the error names the entry and the type.
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn get<T: DeserializeOwned>(&self, name: impl EntryOf<T>) -> Result<Option<T>, Error> {
        let name = name.entry_name();
        let Some(value) = self.value(name)? else { return Ok(None) };
        value.read().map_err(|error| error.of_entry(name))
    }

    /// The names of all entries, sorted. No I/O.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn names(&self) -> Result<Vec<String>, Error> {
        self.with(|open| Ok(open.draft.delta.names(open.draft.entries()?)))
    }

    /// Whether there is an entry `name`, even if its value is `null`. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn contains(&self, name: impl EntryName) -> Result<bool, Error> {
        self.with(|open| Ok(open.draft.delta.get(open.draft.entries()?, name.entry_name()).is_some()))
    }

    /// Whether there are no entries. A signed-in session may be empty, because its user is not an entry. No I/O.
    ///
    /// # Errors
    /// As [`contains`](Self::contains).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.names()?.is_empty())
    }

    /// Sets `name` to `value`, whatever is stored at the commit. Starts a session if there is none. With a
    /// [`Key`](crate::Key) the value may be borrowed: a `&str` for a `Key<String>`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `value` cannot be written as JSON: it holds NaN or an infinity, or a map whose keys are
    /// neither text nor numbers. In a Django profile also if it holds a number that a Python float would round, which
    /// only raw JSON and arbitrary-precision numbers can. An error edits nothing. Integers may have any size.
    pub fn insert<T: Serialize + ?Sized>(&self, name: impl EntryFor<T>, value: &T) -> Result<(), Error> {
        let name = name.entry_name();
        self.set_value(name, Json::encode(value).map_err(|error| error.of_entry(name))?)
    }

    /// Changes `name` with a closure from its current value to the next (`None`: absent) and returns the value that
    /// this request now sees. The closure must be pure: it runs again on the newest value if another request was
    /// faster. To respond with the value that was really stored, [`commit`](Self::commit) first and read it again.
    ///
    /// The closure is `Fn + Send + Sync + 'static` and not `FnMut`, because the request stores it until the commit and
    /// replays it on the newest value, perhaps more than once and on another thread. So it owns what it uses: write
    /// `move`, and clone what it would give away. It hands results out through the returned value only.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
    /// let item = "apple".to_owned();
    /// let items = session.update("items", move |items: Option<Vec<String>>| {
    ///     let mut items = items.unwrap_or_default();
    ///     items.push(item.clone());
    ///     Some(items)
    /// })?;
    /// assert_eq!(items, Some(vec!["apple".to_owned()]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the stored value is not a `T`, or the next one cannot be written as JSON (see
    /// [`insert`](Self::insert)) or would not read back as a `T`; and if the closure changes a value with data that `T`
    /// does not hold: a Python value that JSON does not have, or a number with more digits. An error edits nothing. A
    /// closure may return such a value unchanged.
    pub fn update<T, F>(&self, name: impl EntryOf<T>, f: F) -> Result<Option<T>, Error>
    where
        T: Serialize + DeserializeOwned + 'static,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        let name = name.entry_name();
        let update = Arc::new(TypedUpdate::new(f, Arc::clone(&self.0.core), name));
        for _ in 0..ATTEMPTS {
            let value = self.value(name)?;
            let (json, typed) = update.run(value.as_ref())?.unzip();
            let step = Arc::clone(&update);
            if self.edit_current(name, value.as_ref(), |delta, _| delta.update(name, step, json))? {
                return Ok(typed);
            }
        }
        Err(kept_changing(name))
    }

    /// Changes `name` with a closure from its current value, or from `default` if there is none, and returns the value
    /// that this request now sees: for counters. As [`update`](Self::update), which can also remove an entry.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
    /// assert_eq!(session.update_or("visits", 0, |visits: u64| visits + 1)?, 1);
    /// assert_eq!(session.update_or("visits", 0, |visits: u64| visits + 1)?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_or<T, F>(&self, name: impl EntryOf<T>, default: T, f: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn(T) -> T + Send + Sync + 'static,
    {
        let name = name.entry_name();
        let next = self.update(name, move |value: Option<T>| Some(f(value.unwrap_or_else(|| default.clone()))))?;
        next.ok_or_else(|| Error::new(ErrorKind::Value, "an update left no value").of_entry(name))
    }

    /// Removes `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn remove(&self, name: impl EntryName) -> Result<(), Error> {
        self.with(|open| {
            open.draft.entries()?;
            open.draft.delta.remove(name.entry_name());
            Ok(())
        })
    }

    /// Removes every entry that this request sees. The session stays, and its user stays signed in: to end it, use
    /// [`logout`](Self::logout).
    ///
    /// As [`remove`](Self::remove) does with one name, the commit removes the entries under these names even if another
    /// request has changed them meanwhile. An entry under a name that this request has not seen stays. Starts no
    /// session.
    ///
    /// ```
    /// # use shared_session::{Identity, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let session = SessionManager::new(MemoryStore::new()).open([]).load().await?;
    /// # session.login_as(Identity::new("1", "", 0))?;
    /// session.insert("theme", "dark")?;
    /// session.clear()?;
    /// assert!(session.is_empty()? && session.identity()?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded.
    pub fn clear(&self) -> Result<(), Error> {
        self.with(|open| {
            let (edits, entries) = open.draft.edits()?;
            edits.clear(entries);
            Ok(())
        })
    }

    /// Removes `name` and returns its value. Two requests may both take a value, unless they
    /// [`commit`](Self::commit): then all but one get [`ErrorKind::AlreadyTaken`].
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if the value is not a `T`; the value then stays. [`ErrorKind::ReadOnly`] on HEAD and
    /// OPTIONS, if there is a value, because it would not be removed.
    pub fn take<T: DeserializeOwned>(&self, name: impl EntryOf<T>) -> Result<Option<T>, Error> {
        let name = name.entry_name();
        for _ in 0..ATTEMPTS {
            let Some(value) = self.value(name)? else { return Ok(None) };
            if self.0.read_only {
                return Err(read_only().of_entry(name));
            }
            let typed = value.read().map_err(|error| error.of_entry(name))?;
            if self.edit_current(name, Some(&value), |delta, entries| delta.take(entries, name))? {
                return Ok(typed);
            }
        }
        Err(kept_changing(name))
    }

    /// Replaces the secret in the cookie; the old cookie is refused from the commit on. Call it when privileges change;
    /// [`login_as`](Self::login_as) already includes it.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    #[doc(alias = "cycle_id")]
    #[doc(alias = "renew")]
    #[doc(alias = "regenerate")]
    pub fn rotate(&self) -> Result<(), Error> {
        self.with(|open| {
            if open.draft.intent == Intent::Keep {
                open.draft.intent = Intent::Rotate;
            }
            Ok(())
        })
    }

    /// Signs out: ends the session, whether or not a user is signed in. The commit deletes its record and removes its
    /// cookie. Later edits start a new session.
    ///
    /// If the request carries conflicting session cookies and is therefore anonymous, every session that one of them
    /// opens is ended, and the cookies are removed in all scopes in which the browser may hold them.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    #[doc(alias = "flush")]
    #[doc(alias = "destroy")]
    #[doc(alias = "purge")]
    pub fn logout(&self) -> Result<(), Error> {
        self.with(|open| {
            open.draft.end(self.0.rivals());
            #[cfg(feature = "users")]
            {
                open.user = None;
            }
            Ok(())
        })
    }

    /// Sets when this session ends, and how long the browser keeps its cookie; see [`Expiry`]. Works for anonymous and
    /// signed-in sessions. It counts as an edit; of two requests that set it, the later commit wins. It starts no
    /// session by itself: it applies to a session that another edit of this request starts. No I/O.
    ///
    /// It stays until it is set again, [`logout`](Self::logout) ends the session, or a user signs in: to set it at a
    /// sign-in, call this after [`login_as`](Self::login_as), or use `login_with`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreadable`] if the record cannot be decoded. [`ErrorKind::Closed`] after the response was decided.
    pub fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        self.with(|open| {
            open.draft.entries()?;
            open.draft.expiry = Some(expiry.rounded());
            Ok(())
        })
    }

    /// The expiry that was set, here or when the session was stored last; [`Expiry::Configured`] if none was, or if
    /// there is no session. No I/O.
    ///
    /// # Errors
    /// As [`set_expiry`](Self::set_expiry).
    pub fn expiry(&self) -> Result<Expiry, Error> {
        self.with(|open| {
            open.draft.entries()?;
            let signs_in = matches!(open.draft.intent, Intent::Login(_));
            Ok(match (open.draft.expiry, &open.draft.base) {
                (Some(expiry), _) => expiry,
                (None, Loaded::Record(_, record)) if !signs_in || self.0.core.profile.sign_in_keeps_expiry() => {
                    record.head.limits.expiry
                }
                (None, _) => Expiry::Configured,
            })
        })
    }

    /// Signs a user in: the cookie is replaced and the absolute lifetime starts again. Entries survive if the session
    /// was anonymous or belonged to the same user; otherwise a new session starts. An earlier
    /// [expiry](Self::set_expiry) is dropped, except in Django's profiles: there it stays, as in Django's `login`,
    /// unless another user was signed in.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response was decided.
    pub fn login_as(&self, identity: Identity) -> Result<(), Error> {
        self.sign_in(identity, None)
    }

    /// As [`login_as`](Self::login_as), with an expiry.
    pub(crate) fn sign_in(&self, identity: Identity, expiry: Option<Expiry>) -> Result<(), Error> {
        self.with(|open| {
            open.draft.intent = Intent::Login(identity);
            open.draft.expiry = expiry;
            #[cfg(feature = "users")]
            {
                open.user = None;
            }
            Ok(())
        })
    }

    /// Requests a new cookie and new marks for the signed-in user, and nothing else. If this request signs a user in
    /// anyway, that sign-in uses these marks.
    #[cfg(feature = "users")]
    pub(crate) fn renew_cookie(&self, identity: Identity) -> Result<(), Error> {
        self.with(|open| {
            match &mut open.draft.intent {
                Intent::Login(signs_in) => *signs_in = identity,
                intent => {
                    *intent = Intent::Rotate;
                    open.draft.renew = Some(identity);
                }
            }
            open.user = None;
            Ok(())
        })
    }

    /// The signed-in user according to the record. To check whether this still holds, ask for the current user.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        self.with(|open| {
            open.draft.entries()?;
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
    /// and did not store the time.
    #[must_use]
    pub fn created_at(&self) -> Option<StoreTime> {
        self.record(|_, record| record.started()).flatten()
    }

    /// When the user of the session signed in, in store time; `None` if the session is anonymous, or if another program
    /// signed the user in and did not store the time. A sign-in of this request counts once it is stored. No I/O.
    ///
    /// In Django's profiles only sign-ins by this library set it. A later sign-in in Django does not change it, so the
    /// time may be too early but never too late.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<StoreTime> {
        self.record(|_, record| record.signed_in()).flatten()
    }

    /// When the session ends unless it is used, in store time.
    #[must_use]
    pub fn expires_at(&self) -> Option<StoreTime> {
        self.record(|_, record| record.head.limits.expires())
    }

    /// The value of `name` as this request sees it.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Json>, Error> {
        self.with(|open| Ok(open.draft.delta.get(open.draft.entries()?, name)))
    }

    /// Edits `name` if this request still sees the value that was `seen`; returns whether it did. The caller's code,
    /// which may use the session, runs on the seen value without the lock.
    fn edit_current(
        &self,
        name: &str,
        seen: Option<&Json>,
        edit: impl FnOnce(&mut Delta, &Entries),
    ) -> Result<bool, Error> {
        self.with(|open| {
            let (edits, entries) = open.draft.edits()?;
            let is_current = edits.get(entries, name).as_ref() == seen;
            if is_current {
                edit(edits, entries);
            }
            Ok(is_current)
        })
    }

    /// As [`insert`](Self::insert), for a value that is JSON already.
    pub(crate) fn set_value(&self, name: &str, value: Json) -> Result<(), Error> {
        self.0.core.profile.check(&value).map_err(|error| error.of_entry(name))?;
        self.with(|open| {
            open.draft.entries()?;
            open.draft.delta.insert(name, value);
            Ok(())
        })
    }

    /// Runs `f` on the open session.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Open) -> Result<T, Error>) -> Result<T, Error> {
        f(open(&mut self.0.shared().state)?)
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

fn kept_changing(name: &str) -> Error {
    Error::new(ErrorKind::Value, "an entry kept changing while this request edited it").of_entry(name)
}

/// As [`State::open`]. Warns of code that outlives the response, because its edits are lost and it may ignore the error.
pub(crate) fn open(state: &mut State) -> Result<&mut Open, Error> {
    const MESSAGE: &str = "the session was used after its response was decided; code that outlives the response needs a \
        reopened session: see Session::reopen";
    static WARNED: AtomicBool = AtomicBool::new(false);
    if matches!(state, State::Closed) {
        stderr::warn_once(&WARNED, MESSAGE);
        return Err(Error::new(ErrorKind::Closed, MESSAGE));
    }
    state.open()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
