//! A separate connection for each runtime that requests one.
//!
//! One runtime drives a connection. A call from another runtime wakes a thread of the first and is woken by it in turn,
//! which costs more than the call itself. A server with a runtime in each thread avoids this with a connection in each
//! thread.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::{
    runtime::{Handle, Id},
    time::Instant,
};

use super::{
    config::RedisConfig,
    wire::{address::Target, call_limit::CallLimit, connection::Connection, trust::Trusts},
};
use crate::error::Error;

/// The parameters with which the store was connected, and the connections of other runtimes than the store's.
pub(super) struct Runtimes {
    target: Target,
    config: RedisConfig,
    /// Shared by all connections.
    calls: Arc<CallLimit>,
    /// A connection that is given up invalidates those of other runtimes.
    trusts: Trusts,
    home: Option<Id>,
    others: Mutex<Vec<(Id, Weak<Connection>)>>,
}

impl Runtimes {
    /// The connection of the current runtime, and the factory for those of others.
    pub(super) fn new(target: Target, config: &RedisConfig) -> Result<(Connection, Self), Error> {
        let calls = Arc::new(CallLimit::new(config.max_calls));
        let trusts = Trusts::default();
        let connection = Connection::new(target.clone(), config, Arc::clone(&calls), trusts.clone())?;
        let home = Handle::try_current().ok().map(|runtime| runtime.id());
        Ok((connection, Self { target, config: config.clone(), calls, trusts, home, others: Mutex::default() }))
    }

    /// The connection of the current runtime. The first call starts to connect; meanwhile, and after a failure,
    /// commands go to `home`, the store's connection. `None` on the store's own runtime, outside of any runtime, and in
    /// a cluster. All callers on one runtime share the connection, which ends with the last of them.
    pub(super) fn connection_here(&self, home: &Arc<Connection>) -> Option<Arc<Connection>> {
        let runtime = Handle::try_current().ok()?;
        let here = runtime.id();
        if self.home == Some(here) {
            return None;
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.retain(|(_, connection)| connection.strong_count() > 0);
        if let Some(found) = others.iter().find(|(runtime, _)| *runtime == here).and_then(|(_, found)| found.upgrade())
        {
            return Some(found);
        }
        let made = Connection::new(self.target.clone(), &self.config, Arc::clone(&self.calls), self.trusts.clone());
        let made = Arc::new(made.ok()?.beside(home)?);
        others.push((here, Arc::downgrade(&made)));
        let (first, until) = (Arc::clone(&made), Instant::now() + self.config.connect_timeout);
        // The first request need not wait for it. Later calls report a failure.
        runtime.spawn(async move { first.connect_now(until).await });
        Some(made)
    }
}
