//! Reads sessions by their place, without a cookie: for lists and limits.

use std::sync::Arc;

use futures_util::future::{try_join, try_join_all};

use crate::{
    engine::core::Core,
    error::Error,
    record::{Identity, Place, Record},
    store::BoxFuture,
};

/// The number of records that a list reads at once.
const AT_ONCE: usize = 16;

impl Core {
    /// The live, readable records at `places`. One round trip for each, sixteen at a time.
    pub(crate) async fn records_at(&self, places: Vec<Place>) -> Result<Vec<(Place, Arc<Record>)>, Error> {
        let mut found = Vec::with_capacity(places.len());
        for some in places.chunks(AT_ONCE) {
            // Boxed: as a stream of closures the compiler cannot prove the future of this function to be `Send`.
            let reads: Vec<BoxFuture<'_, Result<Option<Arc<Record>>, Error>>> =
                some.iter().map(|place| Box::pin(self.read(place)) as _).collect();
            let records = try_join_all(reads).await?;
            found.extend(some.iter().zip(records).filter_map(|(place, record)| Some((place.clone(), record?))));
        }
        Ok(found)
    }

    /// The live, readable sessions at `places` that belong to the user.
    pub(crate) async fn records_of(
        &self,
        user_id: &str,
        places: Vec<Place>,
    ) -> Result<Vec<(Place, Arc<Record>)>, Error> {
        let mut records = self.records_at(places).await?;
        records.retain(|(_, record)| record.user_id() == Some(user_id));
        Ok(records)
    }

    /// Leaves out the sessions that the user's row has ended, by a new password or a raised epoch: their records remain,
    /// but nobody can sign out of them. One SELECT, if there is a table of users.
    #[cfg(feature = "users")]
    pub(crate) async fn leave_out_revoked(
        &self,
        sessions: &mut Vec<(Place, Arc<Record>)>,
        identity: &Identity,
    ) -> Result<(), Error> {
        let Some(users) = &self.users else { return Ok(()) };
        if let Some(owner) = users.find(identity).await? {
            sessions.retain(|(_, record)| record.head.user.as_ref().is_some_and(|marks| owner.holds(marks)));
        }
        Ok(())
    }

    #[cfg(not(feature = "users"))]
    #[expect(clippy::unused_async, clippy::unused_self, reason = "with users it asks a database")]
    pub(crate) async fn leave_out_revoked(&self, _: &mut Vec<(Place, Arc<Record>)>, _: &Identity) -> Result<(), Error> {
        Ok(())
    }

    /// A live, readable record.
    pub(crate) async fn read(&self, place: &Place) -> Result<Option<Arc<Record>>, Error> {
        let (bytes, tombstone) = try_join(self.store.load(&place.key), self.tombstone(place)).await?;
        let (Some(bytes), None) = (bytes, tombstone) else { return Ok(None) };
        let now = self.now().await?;
        let record = self.decode(&place.key, &bytes, now).ok().filter(|record| record.head.limits.left(now).is_some());
        Ok(record.map(Arc::new))
    }
}
