//! One opaque [`Error`] with an [`ErrorKind`] to match on.

use std::{borrow::Cow, error::Error as StdError, fmt, num::NonZero, sync::Arc, time::Duration};

type Source = Arc<dyn StdError + Send + Sync + 'static>;

/// The kind of an error, in terms that a web service can act on.
///
/// ```
/// use shared_session::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Unavailable, "the session store did not answer");
/// assert_eq!(error.kind().status(), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A store or the user database cannot be reached, temporarily refuses, or did not answer in time. Status 503.
    Unavailable,
    /// The stored record cannot be decoded. It is never overwritten. Status 500.
    Unreadable,
    /// A database permanently refuses a statement: a table, a column or a privilege is missing, or a value is
    /// impossible. Trying again does not help. Status 500.
    Database,
    /// The cookie was replaced, or another user signed in, while the request ran. Status 409.
    Stale,
    /// The session ended while the request ran. Status 409.
    Gone,
    /// Another request took the same entry first. Status 409.
    AlreadyTaken,
    /// A value has another type than the one asked for, or cannot be written as JSON. Status 500.
    Value,
    /// The session would grow beyond its size limit. Status 413.
    TooLarge,
    /// The session was used after its response was decided, or would need a cookie that no response can set any more:
    /// code that outlives the response needs a [reopened](crate::Session::reopen) session. Status 500.
    Closed,
    /// A HEAD or OPTIONS request would have to store something; these commit nothing. Status 405.
    ReadOnly,
    /// The configuration is not valid. Status 500.
    Config,
    /// The request carries a bearer token and the session cookie, or several `Authorization` headers, so its session is
    /// ambiguous. Status 400.
    AmbiguousCredentials,
    /// The request needs a signed-in user. Status 401.
    Unauthenticated,
    /// The signed-in user may not do this. Status 403.
    Forbidden,
    /// Too many attempts were made, so the next one has to wait: [`Verdict`](crate::throttle::Verdict). Status 429, with
    /// `Retry-After`.
    TooManyAttempts,
    /// A browser sent an unsafe request from a page that is not one of the configured origins. Status 403.
    /// [`OriginRefusal::of`](crate::csrf::OriginRefusal::of) returns the reason.
    CrossSite,
    /// A posted form has no valid token for this visitor: most often its page is older than the last sign-in or
    /// sign-out. Status 403. [`TokenRefusal::of`](crate::csrf::TokenRefusal::of) returns the reason.
    StaleForm,
    /// The fields of a form cannot be read, or are not the ones that the handler expects. Status 400.
    MalformedForm,
    /// The body of a form is larger than the server accepts. Status 413.
    FormTooLarge,
    /// The body is not a form as browsers send it, `application/x-www-form-urlencoded`. Status 415.
    NotAForm,
}

impl ErrorKind {
    /// The default HTTP status of this kind.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unavailable => 503,
            Self::Unreadable | Self::Database | Self::Value | Self::Closed | Self::Config => 500,
            Self::ReadOnly => 405,
            Self::Stale | Self::Gone | Self::AlreadyTaken => 409,
            Self::AmbiguousCredentials | Self::MalformedForm => 400,
            Self::TooLarge | Self::FormTooLarge => 413,
            Self::NotAForm => 415,
            Self::Unauthenticated => 401,
            Self::TooManyAttempts => 429,
            Self::Forbidden | Self::CrossSite | Self::StaleForm => 403,
        }
    }

    /// A sentence that is safe to show to a client: it names no host, key or id.
    #[must_use]
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Unavailable => "The service is temporarily unavailable. Please try again.",
            Self::Unreadable => "Your session cannot be read. Please sign in again.",
            Self::Stale => "Your session was renewed while the request ran. Nothing was changed. Please try again.",
            Self::Gone => "Your session ended while the request ran. Nothing was changed.",
            Self::AlreadyTaken => "Another request was faster. Please try again.",
            Self::ReadOnly => "This page supports GET only.",
            Self::TooLarge => "The session is full.",
            Self::Database | Self::Value | Self::Closed | Self::Config => "The service failed to answer.",
            Self::AmbiguousCredentials => "Send the session cookie or one bearer token, not both.",
            Self::Unauthenticated => "Please sign in.",
            Self::Forbidden => "You are not allowed to do this.",
            Self::TooManyAttempts => "There were too many attempts. Please wait a moment, then try again.",
            Self::CrossSite => {
                "This request did not come from a page of this service. Please open the page here and try again."
            }
            Self::StaleForm => "This page was too old to be used. Please reload it and try again.",
            Self::MalformedForm => "The form contains a field that cannot be read.",
            Self::FormTooLarge => "The form is too large.",
            Self::NotAForm => "The body is not a form as browsers send it.",
        }
    }
}

/// The reason why an operation failed.
///
/// `Display` is for logs. [`public_message`](Self::public_message) is for clients. Neither ever contains a session id
/// or a value.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// The sentence for clients, if it is more specific than that of the kind.
    public_message: Option<&'static str>,
    source: Option<Source>,
    fate: Fate,
    /// In seconds.
    retry_after: Option<NonZero<u32>>,
}

/// The known outcome of the write that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The write was not applied, or the operation was not a write.
    NotApplied,
    /// The reply was lost.
    Lost,
    /// The reply did not come in time.
    Late,
}

impl Error {
    /// An error of `kind`; `message` is for logs and must contain no id and no value.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            public_message: None,
            source: None,
            fate: Fate::NotApplied,
            retry_after: None,
        }
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync + 'static>>) -> Self {
        self.source = Some(Source::from(source.into()));
        self
    }

    /// Sets a more specific sentence for clients than that of the kind; `message` must name no host, key or id.
    #[must_use]
    pub(crate) fn with_public_message(mut self, message: &'static str) -> Self {
        self.public_message = Some(message);
        self
    }

    /// The same error with the entry `name`.
    #[must_use]
    pub(crate) fn of_entry(mut self, name: &str) -> Self {
        self.message = format!("the entry {name:?}: {}", self.message).into();
        self
    }

    /// Marks a write whose reply was lost: it may have been applied. Stores set this; the manager then reads the record
    /// back, and repeats a write that was not applied.
    #[must_use]
    pub fn undecided(mut self) -> Self {
        if self.fate == Fate::NotApplied {
            self.fate = Fate::Lost;
        }
        self
    }

    /// Marks a write whose reply did not come in time: it may have been applied, or may yet be. Stores set this; the
    /// manager then reads the record back, and does not repeat the write, because the request has no time left. The
    /// error is also [undecided](Self::is_undecided).
    #[must_use]
    pub fn late(mut self) -> Self {
        self.fate = Fate::Late;
        self
    }

    /// Sets the time after which the client may try again, for `Retry-After` in a response with 429 or 503: in whole
    /// seconds, rounded up, at least one.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        Self { retry_after: NonZero::new(u32::try_from(seconds).unwrap_or(u32::MAX).max(1)), ..self }
    }

    /// The time after which the client may try again; `None` if it is unknown.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after.map(|seconds| Duration::from_secs(seconds.get().into()))
    }

    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A sentence that is safe to show to a client: that of the [kind](ErrorKind::public_message), or a more specific
    /// one if the reason is known.
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        self.public_message.unwrap_or_else(|| self.kind.public_message())
    }

    /// Whether this is a write that may have been applied although no reply came.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        !matches!(self.fate, Fate::NotApplied)
    }

    /// Whether this is an undecided write that timed out.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        matches!(self.fate, Fate::Late)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind).field("message", &self.message);
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, kind.public_message())
    }
}
