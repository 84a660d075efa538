//! The users that own sessions, as far as the engine needs them.

use std::any::Any;

use crate::{error::Error, record::Identity, store::BoxFuture};

/// The table of users.
pub(crate) trait Owners: Any + Send + Sync {
    /// The user of `identity`; `None` if there is no such row. One SELECT.
    fn find<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Box<dyn Owner>>, Error>>;

    /// Raises the epoch of a user and returns it; `None` if users have no epoch. One statement.
    fn raise_epoch<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>>;
}

/// A user, as read from its row.
pub(crate) trait Owner: Send + Sync {
    fn is_active(&self) -> bool;

    /// Whether a session that carries `identity` belongs to this user, under any secret key.
    fn holds(&self, identity: &Identity) -> bool;
}
