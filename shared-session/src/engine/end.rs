//! Ends a session so that it stays ended.
//!
//! Our own writes to a session never create one, so deleting is enough against them. Django writes without a check: a
//! Django request that began before the end can bring the session back. Where that can happen, an ended session leaves
//! a tombstone, and a request that finds a session under a tombstone deletes it again.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{
        core::Core,
        draft::{Loaded, SessionEnd, stale},
    },
    error::{Error, ErrorKind},
    log_limit::LogLimit,
    record::{Ownership, Place, Record, id::Token},
    store::{Deleted, StoreTime},
};

/// The number of attempts to delete a session that keeps changing.
const ATTEMPTS: u32 = 64;

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
    /// Ends a session, or each session that one of several cookies opens.
    pub(crate) async fn end(&self, end: SessionEnd, address: Option<IpAddr>) -> Result<(), Error> {
        match end {
            SessionEnd::Record(token, record) => self.end_record(&token, &record, address).await,
            SessionEnd::Unreadable(token, bytes) => self.end_unreadable(&token, &bytes).await,
            SessionEnd::Cookies(rivals) => {
                for token in rivals {
                    let _evict = self.evict_after([Some(token.handle), None]);
                    match self.load_fresh(&token).await?.0 {
                        Loaded::Record(token, record) | Loaded::Rotated(token, record) => {
                            self.end_record(&token, &record, address).await?;
                        }
                        Loaded::Unreadable(token, bytes) => self.end_unreadable(&token, &bytes).await?,
                        Loaded::Nothing { .. } => {}
                    }
                }
                Ok(())
            }
        }
    }

    async fn end_record(&self, token: &Token, record: &Record, address: Option<IpAddr>) -> Result<(), Error> {
        let place = self.profile.place(token);
        let was_there = self.end_at(&place, record, Tombstone::Ended).await?;
        if let (true, Some(user_id)) = (was_there, record.user_id()) {
            let event = AuditEvent::new(AuditKind::SignOut).with_user_id(user_id);
            self.audit.tell(&event.with_handle(place.handle).with_address(address));
        }
        self.unindex(record, &place).await;
        Ok(())
    }

    /// The head of an unreadable record may still prove that this cookie owns it. Otherwise no cookie can open the
    /// record.
    async fn end_unreadable(&self, token: &Token, bytes: &Bytes) -> Result<(), Error> {
        match self.profile.owned(token, bytes) {
            Some(owned) => self.end_owned(&self.profile.place(token), &owned).await,
            None => Ok(()),
        }
    }

    /// The tombstone of the session at `place`. No round trip if the profile has no tombstones.
    pub(crate) async fn tombstone(&self, place: &Place) -> Result<Option<Tombstone>, Error> {
        let Some(key) = self.profile.tombstone_key(place) else { return Ok(None) };
        Ok(self.store.load(&key).await?.map(|text| Tombstone::from_text(&text)))
    }

    /// Deletes a session that was written over a tombstone. Never fails the request: the next request tries again.
    pub(crate) async fn end_again(&self, place: &Place) {
        self.stats.ended_again.add_one();
        static LIMIT: LogLimit = LogLimit::new();
        if let Some(left_out) = LIMIT.line() {
            tracing::warn!(left_out, "a session that had ended was written again by another program; it is deleted");
        }
        if let Err(error) = self.store.delete(&place.key, None).await {
            tracing::warn!(%error, "a session that had ended could not be deleted again");
        }
    }

    /// Ends the session at `place`, which was seen as `loaded`. Returns whether it existed.
    pub(crate) async fn end_at(&self, place: &Place, loaded: &Record, mark: Tombstone) -> Result<bool, Error> {
        let _: bool = self.bury(place, mark, loaded.head.limits.idle).await;
        self.delete(&place.key, loaded.ownership(), loaded).await
    }

    /// Ends the session at `place`, which belongs to the caller, whatever its content. Fails if it belongs to another
    /// cookie by now.
    pub(crate) async fn end_owned(&self, place: &Place, owned: &Ownership) -> Result<(), Error> {
        let _: bool = self.bury(place, Tombstone::Ended, self.lifetime.idle()).await;
        match self.store.delete(&place.key, owned.seen()).await? {
            Deleted::Done | Deleted::Gone => Ok(()),
            Deleted::Conflict(_) => Err(stale()),
        }
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
            tracing::warn!(%error, "an ended session has no tombstone; another program may bring it back");
            true
        })
    }

    /// Deletes a record if its secret is still the one seen, or if it still belongs to the user it was loaded with.
    /// Returns whether it existed. Other concurrent writes do not prevent it.
    async fn delete(&self, key: &str, mut owned: Ownership, loaded: &Record) -> Result<bool, Error> {
        let mut was_asked = false;
        for _ in 0..ATTEMPTS {
            match self.store.delete(key, owned.seen()).await {
                Ok(Deleted::Done) => return Ok(true),
                // After a lost reply, the first attempt has deleted it.
                Ok(Deleted::Gone) => return Ok(was_asked),
                Ok(Deleted::Conflict(current)) => {
                    let current = self.decode(key, &current, self.now().await?)?;
                    if loaded.user_id().is_none() || current.user_id() != loaded.user_id() {
                        return Err(stale());
                    }
                    owned = current.ownership();
                }
                Err(error) if error.is_late() => {
                    return if let Ok(None) = self.store.load(key).await { Ok(true) } else { Err(error) };
                }
                // Deleting twice does no harm, so after a lost reply it is tried once more.
                Err(error) if error.is_undecided() && !was_asked => was_asked = true,
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the session kept changing while it was ended"))
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
