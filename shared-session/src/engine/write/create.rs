//! Starts a session.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::{core::Core, draft::gone, plan::PendingChanges, write::written::Written},
    error::{Error, ErrorKind},
    record::{Content, Head, Place, Record, entries::Entries, lifetime::Limits, tag::Tag},
};

impl Core {
    /// Starts a session under a new handle.
    pub(super) async fn create(&self, pending: &PendingChanges) -> Result<Written, Error> {
        let changes = pending.delta.resolve(&Entries::empty(), pending.missed)?;
        let entries = Entries::empty().with(&changes);
        let mut last_error = None;
        // If the handle is taken, or a reply was lost, try another handle. No cookie opens a record that is left over.
        for _ in 0..3 {
            let token = self.profile.new_token()?;
            let place = self.profile.place(&token);
            let now = self.now().await?;
            let signs_in = pending.login.is_some();
            let limits = Limits::start(&self.lifetime.of(signs_in), pending.expiry.unwrap_or_default(), now);
            let limits = if signs_in { limits.signed_in_at(now) } else { limits };
            let head = Head { limits, user: pending.login.clone(), client: pending.client.clone() };
            let content = Content { head, entries: entries.clone() };
            let record = self.profile.first(&token, &self.stamp(Tag::random()?.as_str(), now), content)?;
            self.check_size(&record, 0)?;
            let Some(ttl) = record.head.limits.left(now) else { return Err(gone()) };
            match self.create_indexed(&place, &record, ttl).await {
                Ok(true) => {
                    self.stats.commits.add_one();
                    let max_age = self.max_age(&record, now);
                    return Ok(Written::under_new_cookie(token, Arc::new(record), max_age));
                }
                Ok(false) => {}
                Err(error) if error.is_undecided() && !error.is_late() => last_error = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last_error.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "no free session handle was found")))
    }

    /// Stores the record, and its entry in the index if it has a user. Removes a record whose session is not in the
    /// index. Returns whether the key was free.
    pub(super) async fn create_indexed(&self, place: &Place, record: &Record, ttl: Duration) -> Result<bool, Error> {
        let create = self.create_at(&place.key, record, ttl);
        let Some(identity) = &record.head.user else { return create.await };
        let (created, indexed) = self.indexed(place, identity, record.head.limits.deadline, create).await?;
        if created && indexed.is_err() {
            let _ = self.store.delete(&place.key, None).await;
        }
        indexed.map(|()| created)
    }

    /// Whether the record is stored. Returns an undecided error only if the record is known not to be stored.
    async fn create_at(&self, key: &str, record: &Record, ttl: Duration) -> Result<bool, Error> {
        match self.store.create(key, record.bytes().clone(), ttl).await {
            Err(error) if error.is_undecided() => match self.store.load(key).await {
                Ok(None) => Err(error),
                // No other request can know the key yet.
                Ok(Some(current)) => Ok(current == record.bytes()),
                Err(unreachable) => Err(unreachable),
            },
            other => other,
        }
    }
}
