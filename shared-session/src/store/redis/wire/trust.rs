//! Tracks whether the connections to a server are still trusted.
//!
//! A connection is given up when the server does not answer on it, or answers as a replica. The older connections of
//! this process to the same server have the same problem: they are given up with it, so that requests on other runtimes
//! need not fail first.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::address::Address;

/// For each server, the number of times that its connections were given up.
#[derive(Clone, Default)]
pub(crate) struct Trusts(Arc<Mutex<HashMap<Address, Arc<AtomicU64>>>>);

/// The trust in one connection.
pub(crate) struct Trust {
    /// The count when this connection was made.
    before: u64,
    now: Arc<AtomicU64>,
}

impl Trusts {
    /// For a connection that is made from now on.
    pub(crate) fn of(&self, address: &Address) -> Trust {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Arc::clone(all.entry(address.clone()).or_default());
        Trust { before: now.load(Ordering::Relaxed), now }
    }
}

impl Trust {
    pub(crate) fn holds(&self) -> bool {
        self.now.load(Ordering::Relaxed) == self.before
    }

    /// Gives up this connection and all that were made before it or at the same count. Does nothing if it was given up
    /// already, because newer connections are then unaffected.
    pub(crate) fn end(&self) {
        let next = self.before.wrapping_add(1);
        let _ = self.now.compare_exchange(self.before, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_given_up_with_those_to_the_same_server_that_are_as_old() {
        let trusts = Trusts::default();
        let (here, there) = (Address::Tcp("a".into(), 1), Address::Tcp("b".into(), 1));
        let [first, second, other] = [&here, &here, &there].map(|address| trusts.clone().of(address));
        assert!(first.holds() && second.holds());
        first.end();
        assert!(!first.holds() && !second.holds() && other.holds());
        let newer = trusts.of(&here);
        second.end();
        assert!(newer.holds(), "a newer connection is not affected");
        newer.end();
        assert!(!newer.holds() && trusts.of(&here).holds());
    }
}
