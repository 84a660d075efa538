//! The users that sessions belong to, as far as the engine has to know them.

use std::any::Any;

use crate::{error::Error, record::Identity, store::BoxFuture};

/// Knows the rows of users.
pub(crate) trait Owners: Any + Send + Sync {
    /// The user of `identity`; `None` if there is no such row. One SELECT.
    fn find<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Box<dyn Owner>>, Error>>;

    /// Raises the epoch of a user and returns it; `None` if users have none. One statement.
    fn raise_epoch<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>>;
}

/// A user, as the row was when it was read.
pub(crate) trait Owner: Send + Sync {
    fn is_active(&self) -> bool;

    /// Whether a session that carries `identity` is this user's, under any key.
    fn holds(&self, identity: &Identity) -> bool;
}
