//! An estimate of the store's time that needs no round trip.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Error,
    store::{StoreDyn, StoreTime},
};

/// Counts on from a sample of the store's clock with this process' monotonic clock. The wall clock of the machine is
/// never read, so setting it changes nothing.
#[derive(Debug)]
pub(crate) struct StoreClock {
    sample: Mutex<Option<Sample>>,
    refresh: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    store: StoreTime,
    at: Instant,
}

impl StoreClock {
    pub(crate) fn new(refresh: Duration) -> Self {
        Self { sample: Mutex::new(None), refresh }
    }

    /// The store's time now. One round trip for the first call and then for one call in each refresh interval.
    pub(crate) async fn now(&self, store: &dyn StoreDyn) -> Result<StoreTime, Error> {
        let sample = *self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = sample.map(|sample| sample.store.after(sample.at.elapsed()));
        match (sample, counted) {
            (Some(sample), Some(now)) if sample.at.elapsed() < self.refresh => return Ok(now),
            _ => {}
        }
        let sent = Instant::now();
        let store = match (store.time().await, counted) {
            (Ok(store), _) => store,
            // A monotonic clock drifts by seconds a day at most: the old sample is good enough for an outage.
            (Err(_), Some(now)) => return Ok(now),
            (Err(error), None) => return Err(error),
        };
        // The store read its clock about half a round trip ago.
        let sample = Sample { store: store.after(sent.elapsed() / 2), at: Instant::now() };
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
        Ok(sample.store)
    }
}
