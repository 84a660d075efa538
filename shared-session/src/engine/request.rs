//! The state that all clones of a request's session share.
//!
//! The rules:
//!
//! - The cookie made by commits of the request is stored beside the state, not in it, so no error and no dropped future
//!   loses it.
//! - The end of a request is decided once: when its response is decided, or when it is dropped. After that no edit is
//!   possible, and reopened sessions can find the session.

pub(crate) mod commit;
pub(crate) mod credentials;
pub(crate) mod end;
pub(crate) mod reopened;
pub(crate) mod run_to_end;

#[cfg(feature = "users")]
use std::any::Any;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, ThreadId},
};

use tokio::{
    sync::{OnceCell, watch},
    task,
};

use crate::{
    cookie::Sent,
    engine::{
        core::Core,
        draft::Draft,
        outcome::{
            Carried, CookieAction,
            form_state::{FormPart, FormState},
        },
        request::credentials::{Carrier, Credentials},
    },
    error::{Error, ErrorKind},
    record::id::Token,
};

pub(crate) struct RequestState {
    pub(crate) core: Arc<Core>,
    pub(crate) origin: Origin,
    /// HEAD and OPTIONS commit nothing.
    pub(crate) read_only: bool,
    pub(crate) loading: OnceCell<()>,
    shared: Mutex<Shared>,
}

/// The kind of a request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// HEAD and OPTIONS: commits nothing.
    ReadOnly,
    Get,
    /// Any other, or unknown.
    Other,
}

/// Where the session comes from.
pub(crate) enum Origin {
    /// The credentials of a request. The response may set another cookie.
    Request(Credentials),
    /// A request that the session outlives: no response can set a cookie.
    Reopened(Followed),
}

/// The token of a visitor's session; `None` for a visitor without a session yet; or the reason why it is unknown.
pub(crate) type CurrentToken = Result<Option<Token>, Error>;

/// A request whose session is followed.
#[derive(Clone)]
pub(crate) enum Followed {
    Ended(CurrentToken),
    Running { request: Weak<RequestState>, end: watch::Receiver<Option<CurrentToken>> },
}

/// The mutable state of a request.
pub(crate) struct Shared {
    pub(crate) state: State,
    /// The cookie change that the commits of this request have left to send.
    pub(crate) cookie: CookieAction,
    pub(crate) forms: FormState,
    #[cfg(feature = "users")]
    pub(crate) user_cache: UserCacheUse,
    /// The response carries a bearer token and sets no cookie.
    pub(crate) as_bearer: bool,
    /// What polls the request. A future that it polls, too, cannot wait for the end of the request.
    runs_on: Executor,
    end: RequestEnd,
}

/// What polls a future: a task, or outside of tasks a thread that blocks on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executor {
    Task(task::Id),
    Thread(ThreadId),
}

impl Executor {
    fn current() -> Self {
        task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

/// Whether a cache of users may confirm the signed-in user, and whether it did.
#[cfg(feature = "users")]
#[derive(Clone, Copy)]
pub(crate) struct UserCacheUse {
    pub(crate) may_answer: bool,
    pub(crate) has_answered: bool,
}

pub(crate) enum State {
    Unloaded,
    /// The request is answered with this error.
    Failed(Error),
    /// Boxed, because requests that do not ask for their session need no room for it.
    Open(Box<Open>),
    /// `commit().await` is running, on a separate task.
    Committing(PendingCommit),
    Closed,
}

/// The result of a commit: whether a user is signed in. If its task panics, waiting receivers get no result.
pub(crate) type PendingCommit = watch::Receiver<Option<Result<bool, Error>>>;

/// An open draft.
pub(crate) struct Open {
    pub(crate) draft: Draft,
    /// The user according to its row, once the row was read. Only the `users` module knows its type.
    #[cfg(feature = "users")]
    pub(crate) user: Option<Box<dyn Any + Send + Sync>>,
}

/// Whether the request has ended.
enum RequestEnd {
    /// Not yet. Holds the sender to the sessions that wait for the end, if there are any.
    Awaited(Option<watch::Sender<Option<CurrentToken>>>),
    Ended(CurrentToken),
}

impl State {
    pub(crate) fn open_with(draft: Draft) -> Self {
        Self::Open(Box::new(Open {
            draft,
            #[cfg(feature = "users")]
            user: None,
        }))
    }

    /// The draft, or the reason why it cannot be edited.
    pub(crate) fn open(&mut self) -> Result<&mut Open, Error> {
        match self {
            Self::Open(open) => Ok(open),
            Self::Failed(error) => Err(error.clone()),
            Self::Committing(_) => Err(Error::new(ErrorKind::Closed, "the session is being committed")),
            Self::Unloaded | Self::Closed => {
                Err(Error::new(ErrorKind::Closed, "the session was used after its response was decided"))
            }
        }
    }
}

impl RequestState {
    pub(crate) fn new(core: Arc<Core>, origin: Origin, method: Method) -> Self {
        let as_bearer = matches!(&origin, Origin::Request(sent) if sent.carrier == Carrier::Bearer);
        let shared = Shared {
            state: core.config_error.clone().map_or(State::Unloaded, State::Failed),
            cookie: CookieAction::Keep,
            forms: FormState::default(),
            #[cfg(feature = "users")]
            user_cache: UserCacheUse { may_answer: method != Method::Other, has_answered: false },
            as_bearer,
            runs_on: Executor::current(),
            end: RequestEnd::Awaited(None),
        };
        let read_only = method == Method::ReadOnly;
        Self { core, origin, read_only, loading: OnceCell::new(), shared: Mutex::new(shared) }
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that the request brought.
    pub(crate) fn presented(&self) -> Option<&Token> {
        match &self.origin {
            Origin::Request(credentials) => credentials.token.as_ref(),
            Origin::Reopened(_) => None,
        }
    }

    /// The well-formed cookies of a request whose cookies conflict. All of them are ignored.
    pub(crate) fn rivals(&self) -> &[Token] {
        match &self.origin {
            Origin::Request(credentials) => &credentials.rivals,
            Origin::Reopened(_) => &[],
        }
    }

    /// How often the request sent the cookie.
    pub(crate) fn sent(&self) -> Sent {
        match &self.origin {
            Origin::Request(credentials) => credentials.sent,
            Origin::Reopened(_) => Sent::default(),
        }
    }

    /// All cookies of the request, as one header.
    pub(crate) fn cookie_header(&self) -> &[u8] {
        match &self.origin {
            Origin::Request(credentials) => &credentials.header,
            Origin::Reopened(_) => &[],
        }
    }

    pub(crate) fn carrier(&self) -> Carrier {
        match &self.origin {
            Origin::Request(credentials) => credentials.carrier,
            Origin::Reopened(_) => Carrier::Cookie,
        }
    }

    /// How the request carried the session, and how the response has to.
    pub(crate) fn carried(&self) -> Carried {
        Carried { sent: self.sent(), as_bearer: self.shared().as_bearer }
    }

    /// Whether no browser sent the request by itself: it has a bearer token and no cookie at all.
    pub(crate) fn needs_no_form_token(&self) -> bool {
        matches!(&self.origin, Origin::Request(sent) if sent.carrier == Carrier::Bearer && !sent.has_cookies)
    }

    /// The effect of form tokens on the response, which has this `cookie`.
    pub(crate) fn form_part(&self, cookie: &CookieAction) -> FormPart {
        let is_new = matches!(cookie, CookieAction::Set(..));
        let Some(tokens) = &self.core.forms else { return FormPart::default() };
        let shared = self.shared();
        let part = shared.forms.part(tokens, self.cookie_header(), is_new);
        if shared.as_bearer { FormPart { set_cookie: None, ..part } } else { part }
    }

    pub(crate) fn is_reopened(&self) -> bool {
        matches!(self.origin, Origin::Reopened(_))
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Open) -> Result<T, Error>) -> Result<T, Error> {
        f(self.shared().state.open()?)
    }

    /// Answers the request with `error`, whatever its handler returns.
    #[cfg(feature = "users")]
    pub(crate) fn fail(&self, error: Error) {
        let mut shared = self.shared();
        if matches!(shared.state, State::Open(_) | State::Unloaded) {
            shared.state = State::Failed(error);
        }
    }

    /// Takes the state out for good: after this call no handler can use the session. Returns it with the cookie change
    /// to send.
    pub(crate) fn take_state(&self) -> (State, CookieAction) {
        let mut shared = self.shared();
        (std::mem::replace(&mut shared.state, State::Closed), shared.cookie.clone())
    }
}

pub(crate) fn did_not_finish() -> Error {
    Error::new(ErrorKind::Unavailable, "a session commit did not finish").undecided()
}

pub(crate) fn read_only() -> Error {
    Error::new(
        ErrorKind::ReadOnly,
        "HEAD and OPTIONS requests cannot store anything; check Session::is_read_only first",
    )
}

pub(crate) fn no_cookie() -> Error {
    Error::new(
        ErrorKind::Closed,
        "a reopened session cannot be started, signed in or given a new cookie: no response can set it any more",
    )
}
