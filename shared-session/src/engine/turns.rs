//! Lets few run at a time that want the same key, in this process, in the order in which they came.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The keys that somebody is at work on.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Turns {
    /// From so many keys on, those that nobody is at work on are dropped at the next one.
    const MANY: usize = 1024;

    /// Waits for a turn of `key`, of which `at_once` run at a time. Nobody else is waited for.
    pub(crate) async fn turn(&self, key: &str, at_once: usize) -> Turn {
        let turns = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= Self::MANY {
                // Whoever has a turn, or waits for one, holds the semaphore.
                keys.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            Arc::clone(keys.entry(key.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(at_once))))
        };
        match Arc::clone(&turns).try_acquire_owned() {
            Ok(permit) => Turn { _permit: Some(permit), has_waited: false },
            // Nobody closes it.
            Err(_) => Turn { _permit: turns.acquire_owned().await.ok(), has_waited: true },
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// It lasts until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
    /// Whether somebody else came first.
    pub(crate) has_waited: bool,
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn as_many_run_as_may_and_others_wait_for_the_same_key_only() {
        let turns = Turns::default();
        let first = turns.turn("a", 2).await;
        assert!(!first.has_waited);
        let _second = turns.turn("a", 2).await;
        assert!(turns.turn("a", 2).now_or_never().is_none());
        assert!(turns.turn("b", 1).now_or_never().is_some());
        drop(first);
        assert!(turns.turn("a", 2).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_dropped() {
        let turns = Turns::default();
        let held = turns.turn("held", 1).await;
        for n in 0..3 * Turns::MANY {
            drop(turns.turn(&n.to_string(), 1).await);
        }
        assert!(turns.len() <= Turns::MANY);
        assert!(turns.turn("held", 1).now_or_never().is_none(), "a turn is not lost");
        drop(held);
        let mut held = Vec::new();
        for n in 0..2 * Turns::MANY {
            held.push(turns.turn(&n.to_string(), 1).await);
        }
        drop(held);
        drop(turns.turn("next", 1).await);
        assert_eq!(turns.len(), 1);
    }
}
