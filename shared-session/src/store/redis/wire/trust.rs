//! Which connections to a server are still trusted.
//!
//! A connection is given up when the server does not answer on it, or answers as a replica. The others that this
//! process has to the same server, made before then, lead to the same end: they are given up with it, so that each
//! runtime need not find out by failing requests of its own.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::address::Address;

/// For each server how often its connections were given up.
#[derive(Clone, Default)]
pub(crate) struct Trusts(Arc<Mutex<HashMap<Address, Arc<AtomicU64>>>>);

/// That of one connection.
pub(crate) struct Trust {
    /// How often others were given up before it was made.
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

    /// Gives up all connections that were made as early as this one, or earlier. One that was given up already says
    /// nothing of those that were made since.
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
        assert!(newer.holds(), "it was made since");
        newer.end();
        assert!(!newer.holds() && trusts.of(&here).holds());
    }
}
