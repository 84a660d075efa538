//! Stores the last use of a session.

use std::sync::Arc;

use crate::{
    engine::{core::Core, write::written::Written},
    error::Error,
    record::{Head, Identity, Record, Stamp, id::Token},
    store::Replaced,
};

impl Core {
    /// Stores the last use, and the user's renewed marks. Compares like any write, changes no entry, and never fails
    /// the request: a concurrent write that was faster has stored a later use.
    pub(super) async fn touch(&self, token: &Token, record: Arc<Record>, renew: Option<Identity>) -> Written {
        let touched = async {
            let now = self.now().await?;
            let limits = record.head.limits.touch(now);
            let Some(ttl) = limits.left(now) else { return Ok(None) };
            let user = renew.or_else(|| record.head.user.clone());
            let head = Head { limits, user, client: record.head.client.clone() };
            let place = self.profile.place(token);
            let next = self.profile.touched(&place.key, &record, head, &self.stamp(Stamp::UNTAGGED, now))?;
            let replaced = self.store.replace(&place.key, &record.version(), next.bytes().clone(), ttl).await?;
            let stored = (replaced == Replaced::Stored).then_some((next, now));
            Ok::<_, Error>(stored)
        };
        match touched.await {
            Ok(None) => Written::kept(token, record),
            Ok(Some((next, now))) => {
                self.stats.touches.add_one();
                self.extended(token, &record, Arc::new(next), now)
            }
            Err(error) => {
                tracing::debug!(%error, "the last use of a session was not written down");
                Written::kept(token, record)
            }
        }
    }
}
