//! Reading a session: the first store call of a request.

use std::sync::Arc;

use bytes::Bytes;
use tracing::Instrument as _;

use crate::{
    engine::{core::Core, draft::Loaded, end_session::tombstone::Tombstone},
    error::{Error, ErrorKind},
    log_limit::LogLimit,
    metrics::{LOAD_ERROR, LOAD_OK, Stopwatch},
    record::{id::Token, previous::GRACE},
    store::StoreTime,
};

fn log_unreadable(error: &Error, what: &'static str) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.line() {
        tracing::error!(%error, left_out, "{what}");
    }
}

impl Core {
    /// The session of a cookie, and the store's time. One round trip, or none with a near cache.
    pub(crate) async fn load(&self, token: &Token) -> Result<(Loaded, StoreTime), Error> {
        if let Some(kept) = self.kept(token).await? {
            return Ok(kept);
        }
        if self.near.is_some() {
            self.stats.near_misses.add_one();
        }
        self.load_fresh(token).await
    }

    /// The session that `token` opens, if it is in the near cache. No round trip.
    pub(crate) async fn kept(&self, token: &Token) -> Result<Option<(Loaded, StoreTime)>, Error> {
        let Some(near) = &self.near else { return Ok(None) };
        // A miss may only mean that the secret was just replaced: the store decides.
        let Some(record) = near.get(token) else { return Ok(None) };
        let now = self.now().await?;
        // Redis announces an expiry only when it next accesses the key.
        if record.head.limits.left(now).is_none() {
            return Ok(None);
        }
        self.stats.near_hits.add_one();
        Ok(Some((Loaded::Record(token.clone(), record), now)))
    }

    /// The session of a cookie as the store holds it, and the store's time. One round trip.
    pub(crate) async fn load_fresh(&self, token: &Token) -> Result<(Loaded, StoreTime), Error> {
        self.stats.loads.add_one();
        let span = tracing::info_span!("session.load", outcome = tracing::field::Empty);
        let stopwatch = Stopwatch::start();
        let work = self.look_up(token);
        // Boxed, because it is rare and larger.
        let loaded = if span.is_disabled() { work.await } else { Box::pin(work.instrument(span.clone())).await };
        stopwatch.stop(if loaded.is_ok() { &LOAD_OK } else { &LOAD_ERROR });
        span.record("outcome", loaded.as_ref().map_or("error", |(loaded, _)| loaded.name()));
        loaded
    }

    async fn look_up(&self, token: &Token) -> Result<(Loaded, StoreTime), Error> {
        let place = self.profile.place(token);
        let ticket = self.near.as_ref().and_then(|near| near.begin(&token.handle));
        let (bytes, tombstone) = if self.profile.tombstone_key(&place).is_none() {
            (self.stored(&place.key).await?, None)
        } else {
            Box::pin(futures_util::future::try_join(self.stored(&place.key), self.tombstone(&place))).await?
        };
        let now = self.now().await?;
        if let Some(tombstone) = tombstone {
            self.stats.misses.add_one();
            if bytes.is_some() {
                Box::pin(self.end_again(&place)).await;
            }
            let refused = matches!(tombstone, Tombstone::Moved(at) if now.since(at) < GRACE);
            return Ok((Loaded::Nothing { refused }, now));
        }
        let Some(bytes) = bytes else {
            self.stats.misses.add_one();
            return Ok((Loaded::Nothing { refused: false }, now));
        };
        let record = match self.decode(&place.key, &bytes, now) {
            Ok(record) => record,
            Err(error) => {
                self.stats.unreadable.add_one();
                log_unreadable(&error, "a session cannot be read");
                return Ok((Loaded::Unreadable(token.clone(), bytes), now));
            }
        };
        if !record.opens_for(token) {
            self.stats.misses.add_one();
            if record.may_be_ended_by(token, now) && record.head.limits.left(now).is_some() {
                return Ok((Loaded::Rotated(token.clone(), Arc::new(record)), now));
            }
            let refused = now.since(record.rotated()) < GRACE;
            return Ok((Loaded::Nothing { refused }, now));
        }
        if record.head.limits.left(now).is_none() {
            self.stats.misses.add_one();
            return Ok((Loaded::Nothing { refused: false }, now));
        }
        let record = Arc::new(record);
        if let (Some(near), Some(ticket)) = (&self.near, ticket) {
            near.fill(token, ticket, &record);
        }
        Ok((Loaded::Record(token.clone(), record), now))
    }

    /// The bytes under a key. A value of another type (a Redis list, say) has no bytes; it counts as an empty,
    /// unreadable record.
    async fn stored(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self.store.load(key).await {
            Err(error) if error.kind() == ErrorKind::Unreadable => {
                log_unreadable(&error, "a session key holds another kind of value");
                Ok(Some(Bytes::new()))
            }
            loaded => loaded,
        }
    }

    /// Loads a session again, past the near cache.
    pub(crate) async fn reload(&self, base: &Loaded) -> Result<Loaded, Error> {
        match base {
            Loaded::Record(token, _) | Loaded::Unreadable(token, _) => Ok(self.load_fresh(token).await?.0),
            Loaded::Nothing { .. } | Loaded::Rotated(..) => Ok(base.clone()),
        }
    }
}
