//! The index of a user's sessions: with it all of them can be listed and revoked.

#[cfg(feature = "users")]
use crate::record::id::Token;
use crate::{
    engine::core::Core,
    error::Error,
    record::{Identity, Place, Record},
    store::StoreTime,
};

impl Core {
    /// The sessions in a user's index. One round trip.
    pub(crate) async fn places_of(&self, user_id: &str) -> Result<Vec<Place>, Error> {
        let members = self.store.index_list(&self.profile.index_key(user_id)).await?;
        Ok(members.iter().filter_map(|member| self.profile.place_of_member(member)).collect())
    }

    /// Adds the session at `place` to the user's index and runs `write`, concurrently; the index entry is sent first,
    /// on the same connection. Returns the result of the write, and that of the index.
    ///
    /// The caller undoes a write whose session is not in the index, because a revocation of all the user's sessions
    /// would not find it.
    pub(crate) async fn indexed<T>(
        &self,
        place: &Place,
        identity: &Identity,
        deadline: StoreTime,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<(T, Result<(), Error>), Error> {
        let add = self.add_to_index(place, identity, deadline);
        let (added, written) = futures_util::future::join(add, write).await;
        let written = written?;
        let added = self.again(added, place, identity, deadline).await;
        Ok((written, added))
    }

    /// Adds the session at `place` to the user's index.
    pub(crate) async fn index(&self, place: &Place, identity: &Identity, deadline: StoreTime) -> Result<(), Error> {
        let added = self.add_to_index(place, identity, deadline).await;
        self.again(added, place, identity, deadline).await
    }

    async fn again(
        &self,
        added: Result<(), Error>,
        place: &Place,
        identity: &Identity,
        deadline: StoreTime,
    ) -> Result<(), Error> {
        match added {
            // A late reply has used up the request's time.
            Err(error) if !error.is_late() => self.add_to_index(place, identity, deadline).await,
            added => added,
        }
    }

    async fn add_to_index(&self, place: &Place, identity: &Identity, deadline: StoreTime) -> Result<(), Error> {
        self.store.index_add(&self.profile.index_key(&identity.user_id), place.member(), deadline).await
    }

    /// Sessions that other programs signed in are not in our index. Adds a session when this process first sees it: one
    /// round trip then, none later. After a failure, or if the request is dropped meanwhile, the next one tries again.
    #[cfg(feature = "users")]
    pub(crate) async fn index_once(&self, token: &Token, record: &Record, user_id: &str) {
        if !self.profile.rotation_moves() || self.indexed_sessions.contains(&token.handle) {
            return;
        }
        let place = self.profile.place(token);
        let added =
            self.store.index_add(&self.profile.index_key(user_id), place.member(), record.head.limits.deadline).await;
        match added {
            Ok(()) => self.indexed_sessions.add(token.handle),
            Err(error) => tracing::debug!(%error, "a session was not added to its user's index"),
        }
    }

    /// Removes an ended session from its user's index; lists check each record, so a failure does no harm.
    pub(crate) async fn unindex(&self, record: &Record, place: &Place) {
        if let Some(user_id) = record.user_id() {
            let index = self.profile.index_key(user_id);
            let _ = self.store.index_remove(&index, &[place.member().to_owned()]).await;
        }
    }
}
