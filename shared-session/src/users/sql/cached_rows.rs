//! The cache of a table's rows, and what makes it forget.

use super::{SqlUsers, column::Kind, tables::Tables};
use crate::users::cache::UserCache;

impl SqlUsers {
    /// Has the session manager keep rows for some seconds, so that most requests ask the database nothing: see
    /// [`UserCache`] for what that means. Default: none.
    ///
    /// All clones share the cache, also those that exist already, so what any of them changes counts at once. Only the
    /// first call counts.
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

    /// Held while the row with this id is changed.
    pub(super) fn changing<'a>(&'a self, tables: &Tables, id: &'a str) -> Changing<'a> {
        // Texts may be equal to the database and not to us.
        let has_one_spelling = matches!(tables.key.kind, Kind::Number | Kind::Uuid | Kind::UuidText);
        Changing { cache: self.cache.get(), id: has_one_spelling.then_some(id) }
    }
}

/// When it is dropped, the cache forgets the row, and so whatever became of the statement: also if its reply was lost,
/// or nobody waits for it any more. All rows without an id.
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
