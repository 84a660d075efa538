//! The cache of a table's rows, and its invalidation.

use super::{SqlUsers, column::Kind, statements::Tables};
use crate::users::cache::UserCache;

impl SqlUsers {
    /// Makes the session manager keep rows for some seconds, so that most requests need no query; see [`UserCache`] for
    /// the consequences. Default: no cache.
    ///
    /// All clones share the cache, including those that exist already, so a change by any of them counts at once. Only
    /// the first call has an effect.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use shared_session::users::{SqlUsers, UserCache};
    ///
    /// let users = SqlUsers::connect("sqlite::memory:").await?.with_cache(UserCache::new());
    /// # let _ = users;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn with_cache(self, cache: UserCache) -> Self {
        let _ = self.cache.set(cache);
        self
    }

    /// A guard to hold while the row with this id changes.
    pub(super) fn changing<'a>(&'a self, tables: &Tables, id: &'a str) -> Changing<'a> {
        // The database may consider two texts equal that differ here.
        let has_one_spelling = matches!(tables.key.kind, Kind::Number | Kind::Uuid | Kind::UuidText);
        Changing { cache: self.cache.get(), id: has_one_spelling.then_some(id) }
    }
}

/// When it is dropped, the cache forgets the row (without an id, all rows), regardless of the outcome of the statement:
/// also if its reply was lost, or the caller stopped waiting.
#[must_use]
pub(super) struct Changing<'a> {
    cache: Option<&'a UserCache>,
    id: Option<&'a str>,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        match (self.cache, self.id) {
            (Some(cache), Some(id)) => cache.forget(id),
            (Some(cache), None) => cache.forget_all(),
            (None, _) => {}
        }
    }
}
