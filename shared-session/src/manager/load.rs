//! Reading a session: I/O 1.

use std::{sync::Arc, time::Duration};

use subtle::ConstantTimeEq;

use super::{Core, stats::add_one};
use crate::{Error, commit::Loaded, id::Token, store::StoreTime};

/// For this long after a cookie was replaced, a write that still carries the old one is refused instead of starting a
/// session whose cookie would overwrite the new one in the browser.
const REFUSE_AFTER_ROTATION: Duration = Duration::from_secs(60);

impl Core {
    /// What the store holds for a cookie, and the store's time. One round trip.
    pub(crate) async fn load(&self, token: &Token) -> Result<(Loaded, StoreTime), Error> {
        add_one(&self.stats.loads);
        let bytes = self.store.load(&token.key(&self.profile)).await?;
        let now = self.now().await?;
        let Some(bytes) = bytes else {
            add_one(&self.stats.misses);
            return Ok((Loaded::Nothing { refused: false }, now));
        };
        let record = match self.profile.decode(&bytes) {
            Ok(record) => record,
            Err(error) => {
                add_one(&self.stats.unreadable);
                tracing::error!(%error, "a session cannot be read");
                return Ok((Loaded::Unreadable(token.clone(), bytes), now));
            }
        };
        let presented = token.secret.hash();
        if !bool::from(presented.as_bytes().ct_eq(record.head.secret_hash.as_bytes())) {
            add_one(&self.stats.misses);
            let refused = now.since(record.head.rotated) < REFUSE_AFTER_ROTATION;
            return Ok((Loaded::Nothing { refused }, now));
        }
        if record.head.limits.left(now).is_none() {
            add_one(&self.stats.misses);
            return Ok((Loaded::Nothing { refused: false }, now));
        }
        Ok((Loaded::Record(token.clone(), Arc::new(record)), now))
    }

    /// Loads again what was loaded before.
    pub(crate) async fn reload(&self, base: &Loaded) -> Result<Loaded, Error> {
        match base {
            Loaded::Record(token, _) | Loaded::Unreadable(token, _) => Ok(self.load(token).await?.0),
            Loaded::Nothing { refused } => Ok(Loaded::Nothing { refused: *refused }),
        }
    }

    pub(crate) async fn now(&self) -> Result<StoreTime, Error> {
        self.clock.now(&*self.store).await
    }
}
