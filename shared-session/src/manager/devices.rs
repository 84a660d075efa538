//! The sessions of a user, and all sessions: listing and revoking.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::{Core, SessionManager};
use crate::{
    Error,
    id::Handle,
    profile::Record,
    store::{BoxFuture, StoreTime},
};

/// How many records are read at once for a list.
const AT_ONCE: usize = 16;

/// One session in a list. It holds nothing that opens the session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The session's public name.
    pub handle: Handle,
    /// The user, if one is signed in.
    pub user_id: Option<String>,
    /// When it started.
    pub created_at: StoreTime,
    /// When it was last used, to within the touch threshold of its [`Lifetime`](crate::Lifetime).
    pub last_seen_at: StoreTime,
    /// When it ends unless it is used.
    pub expires_at: StoreTime,
    /// The network address it was started from.
    pub address: Option<String>,
    /// The browser it was started with.
    pub user_agent: Option<String>,
}

/// One page of [`SessionManager::all_sessions`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions found; a page may be empty before the last.
    pub sessions: Vec<SessionInfo>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

impl SessionManager {
    /// The live sessions of `user_id`, the last used first. One round trip for the index, then one for each session,
    /// sixteen at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionInfo>, Error> {
        let handles = self.0.store.index_list(&self.0.profile.index_key(user_id)).await?;
        let mut sessions = self.0.read_all(handles.iter().filter_map(|handle| Handle::parse(handle))).await?;
        sessions.retain(|session| session.user_id.as_deref() == Some(user_id));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at));
        Ok(sessions)
    }

    /// Ends one session of `user_id`; `false` if there is none of that name or it belongs to somebody else.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails; the session may then live on.
    pub async fn revoke(&self, user_id: &str, handle: &Handle) -> Result<bool, Error> {
        let Some(record) = self.0.read(handle).await? else { return Ok(false) };
        if record.head.user.as_ref().is_none_or(|user| user.user_id != user_id) {
            return Ok(false);
        }
        self.0.revoke(handle, &record).await
    }

    /// Ends every session of `user_id` in the index, except `keep`, and says how many. To end them for certain, even
    /// those that a failover may bring back, raise the user's epoch first.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails; some sessions may then live on.
    pub async fn revoke_sessions_of(&self, user_id: &str, keep: Option<&Handle>) -> Result<u64, Error> {
        let mut ended = 0;
        for session in self.sessions_of(user_id).await? {
            if Some(&session.handle) != keep && self.revoke(user_id, &session.handle).await? {
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Ends any session, for administrators; `false` if there is none of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails; the session may then live on.
    pub async fn revoke_any(&self, handle: &Handle) -> Result<bool, Error> {
        match self.0.read(handle).await? {
            Some(record) => self.0.revoke(handle, &record).await,
            None => Ok(false),
        }
    }

    /// All live sessions, a page at a time, for administrators. `from` is [`SessionPage::next`] of the page before.
    /// Walks the whole store: not for a request that must be fast.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn all_sessions(&self, from: Option<&str>) -> Result<SessionPage, Error> {
        let page = self.0.store.scan(self.0.profile.prefix(), from).await?;
        let handles = page.keys.iter().filter_map(|key| self.0.profile.handle_of(key));
        Ok(SessionPage { sessions: self.0.read_all(handles).await?, next: page.next })
    }
}

impl Core {
    async fn read_all(&self, handles: impl Iterator<Item = Handle>) -> Result<Vec<SessionInfo>, Error> {
        let handles: Vec<_> = handles.collect();
        let mut sessions = Vec::with_capacity(handles.len());
        for some in handles.chunks(AT_ONCE) {
            // Boxed: as a stream of closures the compiler cannot prove the future of this function to be `Send`.
            let reads: Vec<BoxFuture<'_, Result<Option<Arc<Record>>, Error>>> =
                some.iter().map(|handle| Box::pin(self.read(handle)) as _).collect();
            let records = try_join_all(reads).await?;
            sessions.extend(some.iter().zip(records).filter_map(|(handle, record)| Some(info(*handle, &*record?))));
        }
        Ok(sessions)
    }

    /// A live, readable record.
    async fn read(&self, handle: &Handle) -> Result<Option<Arc<Record>>, Error> {
        let Some(bytes) = self.store.load(&self.profile.session_key(handle)).await? else { return Ok(None) };
        let now = self.now().await?;
        let record = self.profile.decode(&bytes).ok().filter(|record| record.head.limits.left(now).is_some());
        Ok(record.map(Arc::new))
    }

    async fn revoke(&self, handle: &Handle, record: &Record) -> Result<bool, Error> {
        let ended = self.delete(&self.profile.session_key(handle), record.secret(), record).await?;
        if let Some(user) = &record.head.user {
            let index = self.profile.index_key(&user.user_id);
            let _ = self.store.index_remove(&index, &[handle.to_string()]).await;
        }
        Ok(ended)
    }
}

fn info(handle: Handle, record: &Record) -> SessionInfo {
    let head = &record.head;
    SessionInfo {
        handle,
        user_id: head.user.as_ref().map(|user| user.user_id.clone()),
        created_at: head.limits.created,
        last_seen_at: head.limits.touched,
        expires_at: head.limits.expires(),
        address: head.client.address.clone(),
        user_agent: head.client.user_agent.clone(),
    }
}
