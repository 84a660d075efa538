//! One thing for everyone, made when it is needed: the connection to a server, the map of a cluster.
//!
//! - At most one attempt to make it runs at any time. It runs on its own task, so no caller's deadline cuts it short.
//! - Callers wait for the attempt that runs, each until its own deadline. No caller sleeps.
//! - For a moment after a failed attempt callers get its failure at once, so an outage is no connection storm. The moment
//!   differs from process to process, so that not all come back at once.
//! - When the last attempt came to nothing in time, callers do not wait for the next one either: they get the failure at
//!   once until an attempt succeeds. This, and the rule before it, is the circuit breaker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::failure::{Failure, Unsent};

/// How soon Redis is asked for a connection again after it has refused one.
const PAUSE: Duration = Duration::from_millis(100);
/// The same when nothing listens, which is cheap to ask and the usual case in a restart.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

type Outcome<T> = Result<Arc<T>, (Unsent, Instant)>;
type Attempt<T> = watch::Receiver<Option<Outcome<T>>>;
type Make<T> = dyn Fn() -> BoxFuture<'static, Result<T, Unsent>> + Send + Sync;

/// The place of the one thing.
pub(super) struct Supply<T> {
    make: Box<Make<T>>,
    is_good: fn(&T) -> bool,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    /// The last attempt: running, failed, or what is in use.
    attempt: Option<Attempt<T>>,
    /// The failure of the attempt before, if it came to nothing in time.
    hung: Option<Unsent>,
    /// The runtime that attempts run on, and what they start: the one this was made on, not that of whichever worker
    /// noticed a loss.
    home: Option<Handle>,
}

enum Current<T> {
    Made(Arc<T>),
    Making(Attempt<T>),
}

impl<T: Send + Sync + 'static> Supply<T> {
    /// Made by `make`, and made again when it is no longer good.
    pub(super) fn new<M>(is_good: fn(&T) -> bool, make: M) -> Self
    where
        M: Fn() -> BoxFuture<'static, Result<T, Unsent>> + Send + Sync + 'static,
    {
        let slot = Slot { attempt: None, hung: None, home: Handle::try_current().ok() };
        Self { make: Box::new(make), is_good, slot: Mutex::new(slot) }
    }

    /// The thing, made by `deadline` if there is none.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Arc<T>, Failure> {
        // Twice, because the first attempt can find that the runtime it should run on has ended.
        for _ in 0..2 {
            let mut attempt = match self.current().map_err(Failure::Unsent)? {
                Current::Made(made) => return Ok(made),
                Current::Making(attempt) => attempt,
            };
            match timeout_at(deadline, attempt.wait_for(Option::is_some)).await {
                Err(_) => return Err(Failure::Unsent(Unsent::new("Redis did not accept a connection in time"))),
                Ok(Err(_)) => {}
                Ok(Ok(outcome)) => match &*outcome {
                    Some(Ok(made)) => return Ok(made.clone()),
                    Some(Err((unsent, _))) => return Err(Failure::Unsent(unsent.clone())),
                    None => {}
                },
            }
        }
        Err(Failure::Unsent(Unsent::new("the Tokio runtime is shutting down")))
    }

    /// The thing, if there is a good one.
    pub(super) fn in_use(&self) -> Option<Arc<T>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot.attempt.as_ref()?.borrow() {
            Some(Ok(made)) if (self.is_good)(made) => Some(made.clone()),
            _ => None,
        }
    }

    /// Sees to it that there is a good one soon.
    pub(super) fn renew(&self) {
        let _ = self.current();
    }

    fn current(&self) -> Result<Current<T>, Unsent> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut stranded, mut hung) = (false, None);
        if let Some(attempt) = &slot.attempt {
            match &*attempt.borrow() {
                Some(Ok(made)) if (self.is_good)(made) => return Ok(Current::Made(made.clone())),
                Some(Err((unsent, again_at))) if Instant::now() < *again_at => return Err(unsent.clone()),
                None if attempt.has_changed().is_ok() => {
                    return slot.hung.clone().map_or_else(|| Ok(Current::Making(attempt.clone())), Err);
                }
                Some(Err((unsent, _))) if unsent.is_timeout() => hung = Some(unsent.clone()),
                outcome => stranded = outcome.is_none(),
            }
        }
        slot.hung = hung.clone();
        if stranded {
            slot.home = None;
        }
        let home = match &slot.home {
            Some(home) => home.clone(),
            None => Handle::try_current().map_err(|_| Unsent::new("a Redis store needs a Tokio runtime"))?,
        };
        let (sender, attempt) = watch::channel(None);
        let making = (self.make)();
        home.spawn(async move {
            let outcome = making.await.map(Arc::new).map_err(|unsent| {
                let again_at = Instant::now() + pause_after(&unsent);
                (unsent, again_at)
            });
            sender.send_replace(Some(outcome));
        });
        slot.home = Some(home);
        slot.attempt = Some(attempt.clone());
        hung.map_or(Ok(Current::Making(attempt)), Err)
    }
}

/// How soon the next attempt may be made: up to half as long again as the pause, by chance.
fn pause_after(unsent: &Unsent) -> Duration {
    let pause = if unsent.is_refused() { SHORT_PAUSE } else { PAUSE };
    let random = getrandom::u32().unwrap_or_default();
    pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io};

    use super::*;

    #[test]
    fn pauses_differ_and_are_short_where_nothing_listens() {
        let refused = Unsent::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        for (unsent, pause) in [(Unsent::timeout("no"), PAUSE), (refused, SHORT_PAUSE)] {
            let pauses: BTreeSet<_> = (0..20).map(|_| pause_after(&unsent)).collect();
            assert!(pauses.iter().all(|each| (pause..=pause.mul_f64(1.5)).contains(each)), "{pauses:?}");
            assert!(pauses.len() > 10, "{pauses:?}");
        }
    }
}
