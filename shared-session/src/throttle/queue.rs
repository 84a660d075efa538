//! Lets few attempts on one subject run at a time, in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The subjects that attempts are under way for.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Queue {
    /// From so many subjects on, those without attempts are dropped at the next one.
    const MANY: usize = 1024;

    /// Waits for a turn of `key`, of which `at_once` run at a time. Nobody else is waited for.
    pub(super) async fn turn(&self, key: &str, at_once: usize) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut subjects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if subjects.len() >= Self::MANY {
                // Whoever has a turn, or waits for one, holds the semaphore.
                subjects.retain(|_, turns| Arc::strong_count(turns) > 1);
            }
            Arc::clone(subjects.entry(key.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(at_once))))
        };
        // Nobody closes it.
        turns.acquire_owned().await.ok()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn as_many_run_as_may_and_others_wait_for_the_same_subject_only() {
        let queue = Queue::default();
        let first = queue.turn("a", 2).await;
        let _second = queue.turn("a", 2).await;
        assert!(queue.turn("a", 2).now_or_never().is_none());
        assert!(queue.turn("b", 1).now_or_never().is_some());
        drop(first);
        assert!(queue.turn("a", 2).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_dropped() {
        let queue = Queue::default();
        let held = queue.turn("held", 1).await;
        for n in 0..3 * Queue::MANY {
            drop(queue.turn(&n.to_string(), 1).await);
        }
        assert!(queue.len() <= Queue::MANY);
        assert!(queue.turn("held", 1).now_or_never().is_none(), "a turn is not lost");
        drop(held);
    }
}
