//! The current state of a session that was loaded some time ago.

use futures_util::future::try_join;

use crate::{
    engine::{core::Core, end_session::tombstone::Tombstone, session::status::SessionStatus},
    error::Error,
    record::{Record, id::Token},
    store::StoreTime,
};

impl Core {
    /// The current state of the session that `token` opened and that was `seen`. One round trip, and one SELECT if a
    /// user is signed in.
    pub(crate) async fn status(&self, token: &Token, seen: &Record) -> Result<SessionStatus, Error> {
        let place = self.profile.place(token);
        let (bytes, tombstone) = try_join(self.store.load(&place.key), self.tombstone(&place)).await?;
        let now = self.now().await?;
        let current = bytes.map(|bytes| self.decode(&place.key, &bytes, now)).transpose();
        let status = match tombstone {
            Some(Tombstone::Ended) => SessionStatus::SignedOut,
            Some(Tombstone::Moved(_)) => SessionStatus::Moved,
            None => compare(token, seen, current?.as_ref(), now),
        };
        let is_revoked = match status {
            SessionStatus::Valid | SessionStatus::Rotated | SessionStatus::Moved => {
                !self.is_confirmed(token, seen).await?
            }
            // It has ended, whether or not the row can tell the reason.
            SessionStatus::SignedOut => !self.is_confirmed(token, seen).await.unwrap_or(true),
            _ => false,
        };
        Ok(if is_revoked { SessionStatus::Revoked } else { status })
    }

    /// Whether the user's row still confirms the session; `true` without a table of users.
    #[cfg(feature = "users")]
    async fn is_confirmed(&self, token: &Token, seen: &Record) -> Result<bool, Error> {
        let (Some(users), Some(identity)) = (&self.users, &seen.head.user) else { return Ok(true) };
        let Some(user) = users.find(identity).await? else { return Ok(false) };
        if user.holds(identity) {
            return Ok(true);
        }
        // The session may carry the marks of a new password since it was seen.
        let newer = self.read(&self.profile.place(token)).await?;
        Ok(newer.and_then(|newer| newer.head.user.clone()).is_some_and(|identity| user.holds(&identity)))
    }

    #[cfg(not(feature = "users"))]
    #[expect(clippy::unused_async, reason = "with users it asks a database")]
    async fn is_confirmed(&self, _: &Token, _: &Record) -> Result<bool, Error> {
        Ok(true)
    }
}

/// Compares the stored session with the one seen.
fn compare(token: &Token, seen: &Record, current: Option<&Record>, now: StoreTime) -> SessionStatus {
    let Some(current) = current else {
        // The store removes the record of an expired session. If it is gone earlier, the session was ended.
        return if seen.head.limits.left(now).is_none() { SessionStatus::Expired } else { SessionStatus::SignedOut };
    };
    match () {
        () if current.head.limits.left(now).is_none() => SessionStatus::Expired,
        () if current.user_id() != seen.user_id() => SessionStatus::OtherUser,
        () if current.opens_for(token) => SessionStatus::Valid,
        () => SessionStatus::Rotated,
    }
}
