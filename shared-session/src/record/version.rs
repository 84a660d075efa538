//! The version of a session on which a write is based.

use std::{fmt, ops::Range};

use bytes::Bytes;

/// The bytes that a caller has seen under a key, and the part of them that identifies this version.
///
/// The part identifies the version: two versions with an equal part have no difference that a write could lose. So
/// [`SessionStore::replace`](crate::store::SessionStore::replace) may compare the part or the whole, whichever is
/// cheaper; [`SessionStore::delete`](crate::store::SessionStore::delete) must compare only the part.
#[derive(Clone)]
pub struct Seen {
    whole: Bytes,
    part: Range<usize>,
}

impl Seen {
    /// `part` is clamped to `whole`.
    #[must_use]
    pub fn new(whole: Bytes, part: Range<usize>) -> Self {
        let end = part.end.min(whole.len());
        let start = part.start.min(end);
        Self { whole, part: start..end }
    }

    /// All bytes that were seen.
    #[must_use]
    pub fn whole(&self) -> &Bytes {
        &self.whole
    }

    /// The part to compare.
    #[must_use]
    pub fn part(&self) -> &[u8] {
        self.whole.get(self.part.clone()).unwrap_or_default()
    }

    /// The start of the part.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.part.start
    }

    /// Whether `current` holds the same bytes at the same place.
    #[must_use]
    pub fn matches(&self, current: &[u8]) -> bool {
        current.get(self.part.clone()) == Some(self.part())
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("len", &self.whole.len()).field("part", &self.part).finish_non_exhaustive()
    }
}
