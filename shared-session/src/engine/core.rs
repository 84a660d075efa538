//! What all requests share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{clock::StoreClock, near::Near, stats::Counters};
#[cfg(feature = "users")]
use super::{indexed::IndexedSessions, owners::Owners};
use crate::{
    Error, Lifetime, OnError,
    cookie::SessionCookie,
    csrf::token::FormTokens,
    record::{content::Record, format::Format, time::StoreTime},
    store::StoreDyn,
};

#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) store: Arc<dyn StoreDyn>,
    pub(crate) profile: Arc<dyn Format>,
    pub(crate) cookie: SessionCookie,
    pub(crate) forms: Option<FormTokens>,
    pub(crate) lifetime: Lifetime,
    pub(crate) max_size: usize,
    pub(crate) on_error: OnError,
    pub(crate) retry_after: Duration,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) stats: Arc<Counters>,
    pub(crate) near: Option<Arc<Near>>,
    #[cfg(feature = "users")]
    pub(crate) users: Option<Arc<dyn Owners>>,
    #[cfg(feature = "users")]
    pub(crate) in_an_index: Arc<IndexedSessions>,
}

impl Core {
    pub(crate) fn decode(&self, bytes: &Bytes, now: StoreTime) -> Result<Record, Error> {
        self.profile.decode(bytes, &self.lifetime, now)
    }

    pub(crate) async fn now(&self) -> Result<StoreTime, Error> {
        self.clock.now(&*self.store).await
    }
}
