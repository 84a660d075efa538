//! The decision what a request's session comes to. No I/O: a draft goes in, a plan comes out.

pub(crate) mod data;

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;

use crate::{
    engine::draft::data::{Delta, MissedTake},
    error::{Error, ErrorKind},
    record::{
        Identity, Record, client::Client, entries::Entries, expiry::Expiry, id::Token, lifetime::Lifetime,
        time::StoreTime,
    },
};

/// What loading a session found.
#[derive(Clone, Debug)]
pub(crate) enum Loaded {
    /// No session of this visitor. `refused`: the session exists and its cookie was replaced moments ago, so this
    /// request must not start a session that would overwrite the newer cookie in the browser.
    Nothing {
        refused: bool,
    },
    /// None either, for the session's cookie was replaced moments ago. But this one was that of the same user, so it
    /// may end the session. For all else as [`Nothing`](Self::Nothing) that is refused.
    Replaced(Token, Arc<Record>),
    Record(Token, Arc<Record>),
    /// A record that cannot be decoded.
    Unreadable(Token, Bytes),
}

impl Loaded {
    /// What it is called in traces.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Nothing { refused: false } => "absent",
            Self::Nothing { refused: true } | Self::Replaced(..) => "replaced",
            Self::Record(..) => "found",
            Self::Unreadable(..) => "unreadable",
        }
    }

    pub(crate) fn entries(&self) -> Result<&Entries, Error> {
        static EMPTY: Entries = Entries::empty();
        match self {
            Self::Record(_, record) => Ok(&record.entries),
            Self::Nothing { .. } | Self::Replaced(..) => Ok(&EMPTY),
            Self::Unreadable(..) => Err(ErrorKind::Unreadable.into()),
        }
    }
}

/// A session that the request ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// No session was loaded. The cookies are removed; what each of these opens is ended: none, or the well-formed ones
    /// of several that conflict.
    Cookies(Vec<Token>),
    Record(Token, Arc<Record>),
    Unreadable(Token, Bytes),
}

/// What the request asked of the session's id.
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
    pub(crate) end: Option<End>,
    /// The marks to store instead of the session's, because those are under an earlier secret key.
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
            renew: None,
            client,
            loaded_at,
        }
    }

    /// Whether a handler asked for anything to be stored.
    pub(crate) fn is_edited(&self) -> bool {
        !self.delta.is_empty() || self.intent != Intent::Keep || self.expiry.is_some() || self.end.is_some()
    }

    pub(crate) fn signs_in(&self) -> bool {
        matches!(self.intent, Intent::Login(..))
    }

    /// Whether nothing is to be stored: nothing was asked for, and the last use need not be noted. What most requests
    /// come to, told without taking the draft apart.
    pub(crate) fn is_settled(&self, lifetime: &Lifetime) -> bool {
        let touch_is_due = match &self.base {
            Loaded::Record(_, record) => lifetime.touch_is_due(&record.head.limits, self.loaded_at),
            Loaded::Nothing { .. } | Loaded::Replaced(..) | Loaded::Unreadable(..) => false,
        };
        !self.is_edited() && self.renew.is_none() && !touch_is_due
    }

    /// Ends the session; edits that follow belong to a new one. Where no session was loaded because cookies conflict,
    /// these are `rivals`: each session that one of them opens is ended, for whoever holds a cookie may end its
    /// session.
    pub(crate) fn end(&mut self, rivals: &[Token]) {
        let refused = matches!(self.base, Loaded::Nothing { refused: true });
        let base = std::mem::replace(&mut self.base, Loaded::Nothing { refused });
        self.delta = Delta::default();
        self.intent = Intent::Keep;
        self.expiry = None;
        self.renew = None;
        self.end = match base {
            Loaded::Record(token, record) | Loaded::Replaced(token, record) => Some(End::Record(token, record)),
            Loaded::Unreadable(token, bytes) => Some(End::Unreadable(token, bytes)),
            Loaded::Nothing { .. } => self.end.take().or_else(|| Some(End::Cookies(rivals.to_vec()))),
        };
    }
}

/// What to do with the store.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) end: Option<End>,
    pub(crate) write: Option<Write>,
    /// Where the request came from.
    pub(crate) address: Option<IpAddr>,
}

impl Plan {
    /// Whether it leaves a session that only a new cookie opens.
    pub(crate) fn needs_cookie(&self) -> bool {
        match &self.write {
            Some(Write::Create(_)) => true,
            Some(Write::Edit(edit)) => edit.rotate,
            Some(Write::Touch { .. }) | None => false,
        }
    }
}

/// One write.
#[derive(Debug)]
pub(crate) enum Write {
    /// Note the last use or renewed marks; may be dropped.
    Touch { token: Token, record: Arc<Record>, renew: Option<Identity> },
    /// Edit a session that exists.
    Edit(Edit),
    /// Start a session.
    Create(New),
}

#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) token: Token,
    pub(crate) record: Arc<Record>,
    pub(crate) new: New,
    pub(crate) rotate: bool,
    pub(crate) renew: Option<Identity>,
}

#[derive(Debug)]
pub(crate) struct New {
    pub(crate) delta: Delta,
    pub(crate) login: Option<Identity>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) client: Client,
    pub(crate) missed: MissedTake,
}

/// Decides what a draft comes to. `Ok(None)`: nothing is to be done.
pub(crate) fn decide(draft: Draft, lifetime: &Lifetime, missed: MissedTake) -> Result<Option<Plan>, Error> {
    let Draft { base, delta, intent, expiry, mut end, renew, client, loaded_at } = draft;
    let edited = !delta.is_empty();
    let address = client.address;
    let new = |login| New { delta, login, expiry, client, missed };
    let write = match (base, intent) {
        (Loaded::Record(token, record), Intent::Login(identity)) => match &record.head.user {
            Some(user) if user.user_id != identity.user_id => {
                end = Some(End::Record(token, record));
                Some(Write::Create(new(Some(identity))))
            }
            _ => Some(Write::Edit(Edit { token, record, new: new(Some(identity)), rotate: true, renew })),
        },
        (_, Intent::Login(identity)) => Some(Write::Create(new(Some(identity)))),
        (Loaded::Record(token, record), Intent::Rotate) => {
            Some(Write::Edit(Edit { token, record, new: new(None), rotate: true, renew }))
        }
        (Loaded::Record(token, record), Intent::Keep) if edited || expiry.is_some() => {
            Some(Write::Edit(Edit { token, record, new: new(None), rotate: false, renew }))
        }
        (Loaded::Record(token, record), Intent::Keep) => {
            let due = renew.is_some() || lifetime.touch_is_due(&record.head.limits, loaded_at);
            due.then_some(Write::Touch { token, record, renew })
        }
        (Loaded::Nothing { refused: true } | Loaded::Replaced(..), _) if edited || end.is_some() => return Err(stale()),
        (Loaded::Nothing { .. }, _) if edited => {
            let new = new(None);
            // Edits that come to nothing start no session, and neither does an expiry.
            (!new.delta.resolve(&Entries::empty(), missed)?.is_empty()).then_some(Write::Create(new))
        }
        (Loaded::Nothing { .. } | Loaded::Replaced(..) | Loaded::Unreadable(..), _) => None,
    };
    Ok((end.is_some() || write.is_some()).then_some(Plan { end, write, address }))
}

pub(crate) fn stale() -> Error {
    Error::new(ErrorKind::Stale, "the session's cookie was replaced while the request ran")
}

pub(crate) fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the session ended while the request ran")
}
