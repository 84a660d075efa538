//! Ends a session for good: marks it as ended with a [`tombstone`], then deletes it. Our own writes never create a
//! session, so none of them brings it back.

pub(crate) mod tombstone;

use std::net::IpAddr;

use bytes::Bytes;

use crate::{
    audit::{AuditEvent, AuditKind},
    engine::{
        core::Core,
        draft::{Loaded, SessionEnd, stale},
        end_session::tombstone::Tombstone,
    },
    error::{Error, ErrorKind},
    record::{Ownership, Place, Record, id::Token},
    store::{Deleted, Seen},
};

/// The number of attempts to delete a session that keeps changing.
const ATTEMPTS: u32 = 64;

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

    /// Deletes a record if its secret is still the one seen, or if it still belongs to the user it was loaded with.
    /// Returns whether it existed. Other concurrent writes do not prevent it.
    async fn delete(&self, key: &str, mut owned: Ownership, loaded: &Record) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            match self.delete_seen(key, owned.seen()).await? {
                Deleted::Done => return Ok(true),
                Deleted::Gone => return Ok(false),
                Deleted::Conflict(current) => {
                    let current = self.decode(key, &current, self.now().await?)?;
                    if loaded.user_id().is_none() || current.user_id() != loaded.user_id() {
                        return Err(stale());
                    }
                    owned = current.ownership();
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the session kept changing while it was ended"))
    }

    /// Deletes the record under `key` in the version that was `seen`. After a lost reply it asks once more, which does
    /// no harm: if the record is gone then, the first attempt has deleted it.
    pub(crate) async fn delete_seen(&self, key: &str, seen: Option<&Seen>) -> Result<Deleted, Error> {
        match self.store.delete(key, seen).await {
            // A second attempt would take as long again.
            Err(error) if error.is_late() => match self.store.load(key).await {
                Ok(None) => Ok(Deleted::Done),
                _ => Err(error),
            },
            Err(error) if error.is_undecided() => match self.store.delete(key, seen).await {
                Ok(Deleted::Gone) => Ok(Deleted::Done),
                // The first attempt may have been applied.
                Err(error) => Err(error.undecided()),
                other => other,
            },
            other => other,
        }
    }
}
