//! The state that all requests share.

pub(crate) mod clock;
pub(crate) mod evict;
#[cfg(feature = "users")]
pub(crate) mod indexed_sessions;
pub(crate) mod last_write;
pub(crate) mod max_size;
#[cfg(feature = "users")]
pub(crate) mod owners;
pub(crate) mod session_limit;
pub(crate) mod stats;
pub(crate) mod user_index;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

#[cfg(feature = "users")]
use crate::engine::core::{indexed_sessions::IndexedSessions, owners::Owners};
#[cfg(feature = "redis")]
use crate::engine::near::NearCache;
use crate::{
    audit::Audit,
    cookie::{SessionCookie, SignedCookies},
    csrf::token::FormTokens,
    engine::{
        core::{
            clock::StoreClock, last_write::LastWrite, max_size::MaxSize, session_limit::SessionLimit, stats::Counters,
        },
        near::Near,
    },
    error::{Error, ErrorKind},
    keyed_semaphore::KeyedSemaphore,
    record::{
        content::Record,
        id::Token,
        lifetime::{Lifetime, Limits},
        time::StoreTime,
        wire_format::WireFormat,
    },
    reply::OnError,
    store::StoreDyn,
};

#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) store: Arc<dyn StoreDyn>,
    pub(crate) profile: Arc<dyn WireFormat>,
    pub(crate) cookie: SessionCookie,
    pub(crate) signed_cookies: Option<SignedCookies>,
    /// Whether a session may be carried as a bearer token.
    pub(crate) bearer: bool,
    pub(crate) forms: Option<FormTokens>,
    pub(crate) lifetime: Lifetime,
    pub(crate) max_size: MaxSize,
    pub(crate) session_limit: Option<SessionLimit>,
    pub(crate) last_write: Arc<LastWrite>,
    pub(crate) on_error: OnError,
    pub(crate) retry_after: Duration,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) stats: Arc<Counters>,
    pub(crate) audit: Audit,
    /// Lets one overtaken writer of each session continue at a time.
    pub(crate) overtaken_writers: Arc<KeyedSemaphore>,
    /// The settings of the near cache. `near` is made from them, the store and the profile.
    #[cfg(feature = "redis")]
    pub(crate) near_cache: Option<NearCache>,
    pub(crate) near: Option<Arc<Near>>,
    /// Set if the settings contradict each other; every request then gets this error.
    pub(crate) config_error: Option<Error>,
    #[cfg(feature = "users")]
    pub(crate) users: Option<Arc<dyn Owners>>,
    #[cfg(feature = "users")]
    pub(crate) indexed_sessions: Arc<IndexedSessions>,
}

impl Core {
    /// Checks the settings that depend on each other, and makes an empty near cache for the store and the profile.
    pub(crate) fn check_settings(&mut self) {
        self.config_error = None;
        #[cfg(feature = "redis")]
        {
            let near = self.near_cache.map(|settings| Near::new(settings, self.store.change_feed(), &*self.profile));
            (self.near, self.config_error) = match near.transpose() {
                Ok(near) => (near.map(Arc::new), None),
                Err(error) => (None, Some(error)),
            };
        }
        if self.signed_cookies.is_some() && !self.profile.may_sign_cookies() {
            let message = "signed cookies need the native profile: Django cannot read the signature in the cookie";
            self.config_error = Some(Error::new(ErrorKind::Config, message));
        }
    }

    /// The token in a cookie's value, if it is well-formed and, where cookies are signed, carries a valid tag.
    pub(crate) fn parse_cookie(&self, value: &[u8]) -> Option<Token> {
        let value = match &self.signed_cookies {
            Some(signed) => signed.verified(self.cookie.name(), value)?,
            None => value,
        };
        self.profile.parse_cookie(value)
    }

    pub(crate) fn cookie_value(&self, token: &Token) -> String {
        let value = self.profile.cookie_value(token);
        match &self.signed_cookies {
            Some(signed) => signed.sign(self.cookie.name(), value),
            None => value,
        }
    }

    pub(crate) fn decode(&self, key: &str, bytes: &Bytes, now: StoreTime) -> Result<Record, Error> {
        self.profile.decode(key, bytes, &self.lifetime, now)
    }

    /// Whether a request that only used the session has to store that.
    pub(crate) fn touch_is_due(&self, limits: &Limits, now: StoreTime) -> bool {
        self.lifetime.touch_is_due(limits, now, self.cookie.max_age())
    }

    pub(crate) async fn now(&self) -> Result<StoreTime, Error> {
        self.clock.now(&*self.store).await
    }
}
