//! Stores that announce their changes.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use crate::error::Error;

/// The changes that a store announces, for a [near cache](crate::NearCache), as returned by
/// [`SessionStore::change_feed`](super::SessionStore::change_feed). Only a store that receives the changes of every
/// writer has them, which is [`RedisStore`](super::RedisStore). A store that wraps one forwards them.
#[derive(Clone)]
pub struct ChangeFeed(Arc<dyn Announces>);

impl ChangeFeed {
    pub(crate) fn of(store: impl Announces + 'static) -> Self {
        Self(Arc::new(store))
    }

    pub(crate) fn follow(&self, prefix: &str, follower: Arc<dyn Follower>) -> Result<Box<dyn Watch>, Error> {
        self.0.follow(prefix, follower)
    }
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed").finish_non_exhaustive()
    }
}

/// A store whose changes can be followed.
pub(crate) trait Announces: Send + Sync {
    /// Reports every change of a key that starts with `prefix` to `follower`, once the watch is
    /// [started](Watch::start).
    fn follow(&self, prefix: &str, follower: Arc<dyn Follower>) -> Result<Box<dyn Watch>, Error>;
}

/// A subscription to a store's changes. Dropping it ends it.
pub(crate) trait Watch: Send + Sync {
    /// Starts following, unless it has started already. No I/O here.
    fn start(&self);
}

/// The receiver of changes. Its methods are called in the order of the announcements, and must not block.
pub(crate) trait Follower: Send + Sync + 'static {
    /// From now on every change is announced. `proof` is the time of the request to the server.
    fn follow(&self, connection: u64, proof: Instant);
    /// All changes up to `proof` were announced before this.
    fn prove(&self, connection: u64, proof: Instant);
    /// Changes are no longer announced.
    fn lose(&self, connection: u64);
    /// `key` was written or deleted, or has expired.
    fn changed(&self, key: &[u8]);
    /// Anything may have changed.
    fn all_changed(&self);
}
