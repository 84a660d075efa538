//! A semaphore for each key: in this process, few tasks at a time work on one key, in the order of their arrival.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore for each key that tasks are using.
#[derive(Debug, Default)]
pub(crate) struct KeyedSemaphore(Mutex<HashMap<String, Arc<Semaphore>>>);

impl KeyedSemaphore {
    /// From this number of keys on, the next `acquire` drops the unused ones.
    const MANY: usize = 1024;

    /// Waits for one of the `at_once` permits of `key`, but not for work on other keys.
    pub(crate) async fn acquire(&self, key: &str, at_once: usize) -> KeyedPermit {
        let semaphore = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= Self::MANY {
                // Each task that has a permit, or waits for one, holds the semaphore.
                keys.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            }
            Arc::clone(keys.entry(key.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(at_once))))
        };
        match Arc::clone(&semaphore).try_acquire_owned() {
            Ok(permit) => KeyedPermit { _permit: Some(permit), has_waited: false },
            // The semaphore is never closed, so the error means that there is no free permit.
            Err(_) => KeyedPermit { _permit: semaphore.acquire_owned().await.ok(), has_waited: true },
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The permit to work on a key, until it is dropped.
#[derive(Debug)]
pub(crate) struct KeyedPermit {
    _permit: Option<OwnedSemaphorePermit>,
    /// Whether the task had to wait for others.
    pub(crate) has_waited: bool,
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn tasks_beyond_the_limit_wait_for_the_same_key_only() {
        let semaphores = KeyedSemaphore::default();
        let first = semaphores.acquire("a", 2).await;
        assert!(!first.has_waited);
        let _second = semaphores.acquire("a", 2).await;
        assert!(semaphores.acquire("a", 2).now_or_never().is_none());
        assert!(semaphores.acquire("b", 1).now_or_never().is_some());
        drop(first);
        assert!(semaphores.acquire("a", 2).now_or_never().is_some());
    }

    #[tokio::test]
    async fn unused_semaphores_are_dropped() {
        let semaphores = KeyedSemaphore::default();
        let held = semaphores.acquire("held", 1).await;
        for n in 0..3 * KeyedSemaphore::MANY {
            drop(semaphores.acquire(&n.to_string(), 1).await);
        }
        assert!(semaphores.len() <= KeyedSemaphore::MANY);
        assert!(semaphores.acquire("held", 1).now_or_never().is_none(), "a permit is not lost");
        drop(held);
        let mut held = Vec::new();
        for n in 0..2 * KeyedSemaphore::MANY {
            held.push(semaphores.acquire(&n.to_string(), 1).await);
        }
        drop(held);
        drop(semaphores.acquire("next", 1).await);
        assert_eq!(semaphores.len(), 1);
    }
}
