//! An estimate of the store's time that needs no round trip.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    error::Error,
    store::{StoreDyn, StoreTime},
};

/// Adds the time on this process' monotonic clock to a sample of the store's clock. It never reads the machine's wall
/// clock, so setting that clock changes nothing.
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
        match self.estimate() {
            Estimate::Good(now) => Ok(now),
            // Boxed, because it is rare and larger.
            Estimate::Old(counted) => Box::pin(self.ask(store, counted)).await,
        }
    }

    fn estimate(&self) -> Estimate {
        let Some(sample) = *self.sample.lock().unwrap_or_else(PoisonError::into_inner) else {
            return Estimate::Old(None);
        };
        let age = sample.at.elapsed();
        let now = sample.store.after(age);
        if age < self.refresh { Estimate::Good(now) } else { Estimate::Old(Some(now)) }
    }

    async fn ask(&self, store: &dyn StoreDyn, counted: Option<StoreTime>) -> Result<StoreTime, Error> {
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

enum Estimate {
    Good(StoreTime),
    /// The time according to an outdated sample, if there is one.
    Old(Option<StoreTime>),
}
