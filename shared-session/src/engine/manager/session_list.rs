//! The sessions of a user, and all sessions: listing and revoking.

use std::net::IpAddr;

use crate::{
    engine::{core::Core, manager::SessionManager},
    error::{Error, ErrorKind},
    record::{Place, Record, id::Handle},
    store::StoreTime,
};

/// One session in a list. It holds nothing that opens the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session's public name.
    pub handle: Handle,
    /// The user, if one is signed in.
    pub user_id: Option<String>,
    /// When it started; `None` if another program made it and did not store the time.
    pub created_at: Option<StoreTime>,
    /// When it was last used, to within the touch threshold of its [`Lifetime`](crate::Lifetime); `None` in Django's
    /// profiles, which do not store reads.
    pub last_seen_at: Option<StoreTime>,
    /// When it ends unless it is used.
    pub expires_at: StoreTime,
    /// The network address that started it.
    pub address: Option<IpAddr>,
    /// The browser that started it.
    pub user_agent: Option<String>,
}

/// One page of [`SessionManager::all_sessions`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions found; a page may be empty before the last.
    pub sessions: Vec<SessionInfo>,
    /// Where to continue; `None` at the end.
    pub next: Option<String>,
}

impl SessionManager {
    /// The live sessions of `user_id`, the most recently used first, without those that a new password or a raised epoch
    /// has ended. One round trip for the index, then one for each session, sixteen at a time, and one SELECT if the
    /// manager has users.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store or the database fails.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionInfo>, Error> {
        let mut records = self.0.records_of(user_id, self.0.places_of(user_id).await?).await?;
        if let Some(identity) = records.first().and_then(|(_, record)| record.head.user.clone()) {
            self.0.leave_out_revoked(&mut records, &identity).await?;
        }
        let mut sessions: Vec<_> = records.iter().map(|(place, record)| info(place.handle, record)).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at));
        Ok(sessions)
    }

    /// The live session with this handle, of any user, for administrators; `None` if there is none.
    ///
    /// Up to two round trips. In a Django profile this walks the whole store, because a Django handle does not contain
    /// the key of its session.
    ///
    /// ```
    /// # use shared_session::{Handle, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// let handle = Handle::parse("AAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    /// // To ask who is signed in before the session is ended.
    /// assert_eq!(manager.find_session(&handle).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn find_session(&self, handle: &Handle) -> Result<Option<SessionInfo>, Error> {
        let Some(place) = self.0.find(handle).await? else { return Ok(None) };
        Ok(self.0.read(&place).await?.map(|record| info(place.handle, &record)))
    }

    /// Ends one session of the user `owner`, or of any user with `None`, for administrators. `false` if there is no
    /// session with this handle, or if it belongs to another user.
    ///
    /// Up to three round trips. In a Django profile one more with an owner. Without an owner it walks the whole store,
    /// because a Django handle does not contain the key of its session.
    ///
    /// ```
    /// # use shared_session::{Handle, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// # let handle = Handle::parse("AAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    /// // The handle came from the list that the user "1" was shown: nobody else's session is ended.
    /// let was_there = manager.revoke(Some("1"), &handle).await?;
    /// # assert!(!was_there);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails; the session may then live on.
    #[doc(alias = "revoke_any")]
    pub async fn revoke(&self, owner: Option<&str>, handle: &Handle) -> Result<bool, Error> {
        let place = match owner {
            Some(user_id) => self.0.place_of(user_id, handle).await?,
            None => self.0.find(handle).await?,
        };
        let Some(place) = place else { return Ok(false) };
        match self.0.read(&place).await? {
            Some(record) if owner.is_none() || record.user_id() == owner => {
                let ended = self.0.revoke(&place, &record).await?;
                if ended {
                    self.0.tell_revoked(&place, &record);
                }
                Ok(ended)
            }
            _ => Ok(false),
        }
    }

    /// Ends all sessions of the user `user_id`, in every service, and returns the number of deleted ones. To keep the
    /// current one, use `revoke_others`.
    ///
    /// If the user of this request asked for it, then call [`Session::logout`](crate::Session::logout), which removes
    /// this browser's cookie. Other edits of this request fail with [`ErrorKind::Gone`].
    ///
    /// ```
    /// # use shared_session::{Identity, SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// # let session = manager.open([]).load().await?;
    /// # session.login_as(Identity::new("1", "", 0))?;
    /// # session.commit().await?;
    /// // The user "1" asked to be signed out on all devices, this one included.
    /// manager.revoke_all("1").await?;
    /// session.logout()?;
    /// # assert!(manager.sessions_of("1").await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// It first raises the user's epoch, which ends the sessions, even those that a failover brings back; then it
    /// deletes the sessions in the user's index. If the user has no epoch (the manager has no users, or shares them
    /// with Django) only the deletion ends them. It reaches the sessions that services with this library have made or
    /// seen signed in; only a new password ends the others. One statement for the epoch, one round trip for the index,
    /// and a few for each session.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database fails: nothing is ended. If only the
    /// session store fails, the epoch has ended the sessions, their records remain until they expire, and there is no
    /// error. Without an epoch there is one, and some sessions may live on.
    #[doc(alias = "revoke_user")]
    #[doc(alias = "revoke_sessions_of")]
    #[doc(alias = "logout_everywhere")]
    pub async fn revoke_all(&self, user_id: &str) -> Result<u64, Error> {
        #[cfg(feature = "users")]
        if let Some(users) = &self.0.users
            && users.raise_epoch(user_id).await?.is_some()
        {
            let ended = self.clean_up(user_id, None).await;
            self.0.tell_all_revoked(user_id, ended);
            return Ok(ended);
        }
        let ended = self.end_sessions_of(user_id, None).await?;
        self.0.tell_all_revoked(user_id, ended);
        Ok(ended)
    }

    /// Ends every session of `user_id` in the index, except `keep`, and returns their number.
    pub(crate) async fn end_sessions_of(&self, user_id: &str, keep: Option<&Handle>) -> Result<u64, Error> {
        let mut ended = 0;
        for (place, record) in self.0.records_at(self.0.places_of(user_id).await?).await? {
            if record.user_id() == Some(user_id) && Some(&place.handle) != keep {
                match self.0.revoke(&place, &record).await {
                    // Another user signed in to it meanwhile.
                    Err(error) if error.kind() == ErrorKind::Stale => {}
                    was_there => ended += u64::from(was_there?),
                }
            }
        }
        Ok(ended)
    }

    /// Deletes the sessions that a raised epoch has ended.
    #[cfg(feature = "users")]
    pub(crate) async fn clean_up(&self, user_id: &str, keep: Option<&Handle>) -> u64 {
        self.end_sessions_of(user_id, keep).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "ended sessions remain in the store until they expire");
            0
        })
    }

    /// All live sessions, a page at a time, for administrators. `from` is [`SessionPage::next`] of the page before.
    /// Walks the whole store: not for a request that must be fast.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn all_sessions(&self, from: Option<&str>) -> Result<SessionPage, Error> {
        let page = self.0.store.scan(&self.0.profile.session_prefix(), from).await?;
        let places = page.keys.iter().filter_map(|key| self.0.profile.place_of_key(key)).collect();
        Ok(SessionPage { sessions: self.0.read_all(places).await?, next: page.next })
    }
}

impl Core {
    /// The place of a session of `user_id`. No I/O if the handle contains it.
    async fn place_of(&self, user_id: &str, handle: &Handle) -> Result<Option<Place>, Error> {
        match self.profile.place_of_handle(handle) {
            Some(place) => Ok(Some(place)),
            None => Ok(self.places_of(user_id).await?.into_iter().find(|place| place.handle == *handle)),
        }
    }

    /// The place of any session. Walks the whole store if the handle does not contain it.
    async fn find(&self, handle: &Handle) -> Result<Option<Place>, Error> {
        if let Some(place) = self.profile.place_of_handle(handle) {
            return Ok(Some(place));
        }
        let (prefix, mut from) = (self.profile.session_prefix(), None);
        loop {
            let page = self.store.scan(&prefix, from.as_deref()).await?;
            let mut places = page.keys.iter().filter_map(|key| self.profile.place_of_key(key));
            if let Some(place) = places.find(|place| place.handle == *handle) {
                return Ok(Some(place));
            }
            from = page.next;
            if from.is_none() {
                return Ok(None);
            }
        }
    }

    async fn read_all(&self, places: Vec<Place>) -> Result<Vec<SessionInfo>, Error> {
        let records = self.records_at(places).await?;
        Ok(records.iter().map(|(place, record)| info(place.handle, record)).collect())
    }
}

fn info(handle: Handle, record: &Record) -> SessionInfo {
    let head = &record.head;
    SessionInfo {
        handle,
        user_id: head.user.as_ref().map(|user| user.user_id.clone()),
        created_at: record.started(),
        last_seen_at: record.last_use(),
        expires_at: head.limits.expires(),
        address: head.client.address,
        user_agent: head.client.user_agent.clone(),
    }
}
