//! A near cache over Redis.

use std::sync::Arc;

use super::NearCache;
use crate::store::RedisStore;

impl NearCache {
    /// Follows the changes in `store`, which must be the store of the manager. No I/O: it starts with the first request.
    pub fn new(store: &RedisStore) -> Self {
        Self::over(Arc::new(store.clone()))
    }
}
