//! The marks of ended sessions.
//!
//! Our own writes to a session never create one, so deleting is enough against them. Django writes without a check: a
//! Django request that began before the end can bring the session back. Where that can happen, an ended session leaves
//! a tombstone, and a request that finds a session under a tombstone deletes it again.

use std::time::Duration;

use crate::{engine::core::Core, error::Error, log_limit::LogLimit, record::Place, store::StoreTime};

/// The mark of a session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tombstone {
    /// Signed out or revoked.
    Ended,
    /// Its cookie was replaced at this time, and the session lives on under another key.
    Moved(StoreTime),
}

impl Tombstone {
    fn to_text(self) -> String {
        match self {
            Self::Ended => "ended".to_owned(),
            Self::Moved(at) => format!("moved {}", at.0),
        }
    }

    /// Any text is a tombstone: the session has ended.
    fn from_text(text: &[u8]) -> Self {
        let at = || std::str::from_utf8(text).ok()?.strip_prefix("moved ")?.parse().ok();
        at().map_or(Self::Ended, |at| Self::Moved(StoreTime(at)))
    }
}

impl Core {
    /// The tombstone of the session at `place`. No round trip if the profile has no tombstones.
    pub(crate) async fn tombstone(&self, place: &Place) -> Result<Option<Tombstone>, Error> {
        let Some(key) = self.profile.tombstone_key(place) else { return Ok(None) };
        Ok(self.store.load(&key).await?.map(|text| Tombstone::from_text(&text)))
    }

    /// Writes the tombstone. The deletion that follows ends the session, so a sign-out works even if the store cannot
    /// take the tombstone (out of memory, say). Returns false if there was one already.
    ///
    /// `idle` is the session's time without use, which may be one of its own.
    pub(crate) async fn bury(&self, place: &Place, mark: Tombstone, idle: Duration) -> bool {
        let Some(key) = self.profile.tombstone_key(place) else { return true };
        // A program that restores the session saw it before its end, and writes it with one of these lifetimes.
        let ttl = self.lifetime.idle().max(idle).saturating_mul(2);
        self.store.create(&key, mark.to_text().into(), ttl).await.unwrap_or_else(|error| {
            static LIMIT: LogLimit = LogLimit::new();
            if let Some(left_out) = LIMIT.line() {
                tracing::warn!(left_out, %error, "an ended session has no tombstone; another program may bring it back");
            }
            true
        })
    }

    /// Deletes a session that was written over a tombstone. Never fails the request: the next request tries again.
    pub(crate) async fn end_again(&self, place: &Place) {
        self.stats.ended_again.add_one();
        static LIMIT: LogLimit = LogLimit::new();
        if let Some(left_out) = LIMIT.line() {
            tracing::warn!(left_out, "a session that had ended was written again by another program; it is deleted");
        }
        static LIMIT_OF_FAILURES: LogLimit = LogLimit::new();
        if let Err(error) = self.store.delete(&place.key, None).await
            && let Some(left_out) = LIMIT_OF_FAILURES.line()
        {
            tracing::warn!(left_out, %error, "a session that had ended could not be deleted again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_survives_its_text() {
        for tombstone in [Tombstone::Ended, Tombstone::Moved(StoreTime(17))] {
            assert_eq!(Tombstone::from_text(tombstone.to_text().as_bytes()), tombstone);
        }
        assert_eq!(Tombstone::from_text(b"\xff moved x"), Tombstone::Ended);
    }
}
