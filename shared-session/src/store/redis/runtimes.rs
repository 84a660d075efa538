//! One connection for each runtime that asks for its own.
//!
//! A connection is driven by one runtime. Calls of another one wake a thread of it and are woken in turn, which costs
//! more than the call itself. A server with a runtime in each thread is spared that by a connection in each thread.

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

/// How the store was connected, and the connections of runtimes that are not the store's own.
pub(super) struct Runtimes {
    target: Target,
    config: RedisConfig,
    /// All connections have one limit.
    calls: Arc<CallLimit>,
    /// One that is given up takes those of other runtimes with it.
    trusts: Trusts,
    home: Option<Id>,
    others: Mutex<Vec<(Id, Weak<Connection>)>>,
}

impl Runtimes {
    /// The connection of the current runtime, and what makes those of others.
    pub(super) fn new(target: Target, config: &RedisConfig) -> Result<(Connection, Self), Error> {
        let calls = Arc::new(CallLimit::new(config.max_calls));
        let trusts = Trusts::default();
        let connection = Connection::new(target.clone(), config, Arc::clone(&calls), trusts.clone())?;
        let home = Handle::try_current().ok().map(|runtime| runtime.id());
        Ok((connection, Self { target, config: config.clone(), calls, trusts, home, others: Mutex::default() }))
    }

    /// The connection of the current runtime, which begins to connect when it is first asked for; meanwhile, and after
    /// a failure, calls go to `home`, the store's. `None` on the store's own runtime, outside of any, and in a cluster.
    /// Those who ask on one runtime share it, and it ends with the last of them.
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
        // The first request need not wait for it. What goes wrong is told to those who call.
        runtime.spawn(async move { first.prove(until).await });
        Some(made)
    }
}
