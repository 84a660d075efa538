//! The edits of a request so far. No I/O.

pub(crate) mod edits;

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    engine::draft::edits::Delta,
    error::{Error, ErrorKind},
    record::{Identity, Record, client::Client, entries::Entries, expiry::Expiry, id::Token, time::StoreTime},
};

static NO_ENTRIES: Entries = Entries::empty();

/// The result of loading a session.
#[derive(Clone, Debug)]
pub(crate) enum Loaded {
    /// There is no session for this visitor. `refused`: the session exists, but its cookie was replaced moments ago, so
    /// this request must not start a session, which would overwrite the newer cookie in the browser.
    Nothing {
        refused: bool,
    },
    /// The session's cookie was replaced moments ago. The request's cookie belonged to the same user, so it may still
    /// end the session. In all other respects the same as a refused [`Nothing`](Self::Nothing).
    Rotated(Token, Arc<Record>),
    Record(Token, Arc<Record>),
    /// A record that cannot be decoded.
    Unreadable(Token, Bytes),
}

impl Loaded {
    /// The name in traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Nothing { refused: false } => "absent",
            Self::Nothing { refused: true } | Self::Rotated(..) => "replaced",
            Self::Record(..) => "found",
            Self::Unreadable(..) => "unreadable",
        }
    }

    fn entries(&self, intent: &Intent) -> Result<&Entries, Error> {
        match self {
            Self::Record(_, record) => Ok(&record.entries),
            Self::Nothing { .. } | Self::Rotated(..) => Ok(&NO_ENTRIES),
            // A sign-in leaves an unreadable record unchanged: the edits belong to a new session.
            Self::Unreadable(..) if matches!(intent, Intent::Login(_)) => Ok(&NO_ENTRIES),
            Self::Unreadable(..) => Err(ErrorKind::Unreadable.into()),
        }
    }
}

/// A session that the request ended.
#[derive(Clone, Debug)]
pub(crate) enum SessionEnd {
    /// No session was loaded. The browser's cookies are removed, and each session that one of these tokens opens is
    /// ended. The list is empty, or holds the well-formed tokens of conflicting cookies.
    Cookies(Vec<Token>),
    Record(Token, Arc<Record>),
    Unreadable(Token, Bytes),
}

/// The change to the session's id that the request asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Intent {
    #[default]
    Keep,
    Rotate,
    Login(Identity),
}

/// A session being edited.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) base: Loaded,
    pub(crate) delta: Delta,
    pub(crate) intent: Intent,
    /// The expiry that was asked for.
    pub(crate) expiry: Option<Expiry>,
    pub(crate) end: Option<SessionEnd>,
    /// The session that the request ended, as loaded, and the values that it had taken from it.
    pub(crate) taken: Option<Box<(Loaded, Delta)>>,
    /// The marks to store instead of the session's marks, which were made under an earlier secret key.
    pub(crate) renew: Option<Identity>,
    pub(crate) client: Client,
    pub(crate) loaded_at: StoreTime,
}

impl Draft {
    pub(crate) fn new(base: Loaded, loaded_at: StoreTime, client: Client) -> Self {
        Self {
            base,
            delta: Delta::default(),
            intent: Intent::Keep,
            expiry: None,
            end: None,
            taken: None,
            renew: None,
            client,
            loaded_at,
        }
    }

    /// Whether a handler edited the session.
    pub(crate) fn is_edited(&self) -> bool {
        !self.delta.is_empty() || self.intent != Intent::Keep || self.expiry.is_some() || self.end.is_some()
    }

    /// The entries on which the edits are made.
    pub(crate) fn entries(&self) -> Result<&Entries, Error> {
        self.base.entries(&self.intent)
    }

    /// The edits, and the entries on which they are made.
    pub(crate) fn edits(&mut self) -> Result<(&mut Delta, &Entries), Error> {
        Ok((&mut self.delta, self.base.entries(&self.intent)?))
    }

    pub(crate) fn signs_in(&self) -> bool {
        matches!(self.intent, Intent::Login(..))
    }

    /// Ends the session; later edits belong to a new one. If no session was loaded because the cookies conflict,
    /// `rivals` are their tokens: each session that one of them opens is ended, because the holder of a cookie may end
    /// its session.
    pub(crate) fn end(&mut self, rivals: &[Token]) {
        let refused = matches!(self.base, Loaded::Nothing { refused: true });
        let base = std::mem::replace(&mut self.base, Loaded::Nothing { refused });
        let taken = std::mem::take(&mut self.delta).takes();
        if !taken.is_empty() {
            self.taken.get_or_insert_with(|| Box::new((base.clone(), taken)));
        }
        self.intent = Intent::Keep;
        self.expiry = None;
        self.renew = None;
        self.end = match base {
            Loaded::Record(token, record) | Loaded::Rotated(token, record) => Some(SessionEnd::Record(token, record)),
            Loaded::Unreadable(token, bytes) => Some(SessionEnd::Unreadable(token, bytes)),
            Loaded::Nothing { .. } => self.end.take().or_else(|| Some(SessionEnd::Cookies(rivals.to_vec()))),
        };
    }
}

pub(crate) fn stale() -> Error {
    Error::new(ErrorKind::Stale, "the session's cookie was replaced while the request ran")
}

pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the session ended while the request ran")
}
