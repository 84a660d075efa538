//! The cells of the table.

/// The service of the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Floor,
    Ours,
}

/// The store of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// In the process. In this case the floor has no sessions.
    Memory,
    /// A Valkey with a native compare-and-set.
    Redis,
    /// A server with Lua instead.
    Lua,
}

/// The work of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// None, behind a layer that only forwards the call; the floor has no layer. This is Axum's cost for any layer.
    AnyLayer,
    /// The same, but the layer boxes its future.
    BoxingLayer,
    Untouched,
    Read,
    /// A read from the near cache. The floor does not use Redis.
    Near,
    Increment,
    /// A sign-in: a new cookie, and an entry in the user's index.
    Rotation,
    /// A session of 20 KB.
    ReadLarge,
    IncrementLarge,
    RotationLarge,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) who: Who,
    pub(crate) store: Store,
    pub(crate) what: What,
}

impl Cell {
    pub(crate) const ALL: [(Store, What); 18] = [
        (Store::Memory, What::AnyLayer),
        (Store::Memory, What::BoxingLayer),
        (Store::Memory, What::Untouched),
        (Store::Memory, What::Read),
        (Store::Memory, What::Increment),
        (Store::Memory, What::Rotation),
        (Store::Redis, What::Untouched),
        (Store::Redis, What::Read),
        (Store::Redis, What::Near),
        (Store::Redis, What::Increment),
        (Store::Redis, What::Rotation),
        (Store::Redis, What::ReadLarge),
        (Store::Redis, What::IncrementLarge),
        (Store::Redis, What::RotationLarge),
        (Store::Lua, What::Increment),
        (Store::Lua, What::Rotation),
        (Store::Lua, What::IncrementLarge),
        (Store::Lua, What::RotationLarge),
    ];

    /// The text from which the cell's process parses its task.
    pub(crate) fn to_text(self, requests: u64, url: &str) -> String {
        format!("{:?} {:?} {:?} {requests} {url}", self.who, self.store, self.what)
    }

    /// The cell, the number of requests, and the server's URL.
    pub(crate) fn from_text(text: &str) -> Option<(Self, u64, String)> {
        let mut words = text.split(' ');
        let who = match words.next()? {
            "Floor" => Who::Floor,
            _ => Who::Ours,
        };
        let (store, what) = (words.next()?, words.next()?);
        let (store, what) =
            Self::ALL.into_iter().find(|(s, w)| format!("{s:?}") == store && format!("{w:?}") == what)?;
        Some((Self { who, store, what }, words.next()?.parse().ok()?, words.next()?.to_owned()))
    }
}

impl What {
    /// The approximate size of the session's entries in bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::ReadLarge | Self::IncrementLarge | Self::RotationLarge => 20_000,
            _ => 200,
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::AnyLayer | Self::BoxingLayer | Self::Untouched => "/untouched",
            Self::Read | Self::Near | Self::ReadLarge => "/read",
            Self::Increment | Self::IncrementLarge => "/increment",
            Self::Rotation | Self::RotationLarge => "/rotation",
        }
    }
}
