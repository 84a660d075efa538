//! A shared value that is made when it is needed: the connection to a server, the map of a cluster.
//!
//! - At most one attempt to make it runs at any time. It runs on its own task, so no caller's deadline cuts it short.
//! - Callers wait for the running attempt, each until its own deadline. No caller sleeps.
//! - For a short pause after a failed attempt callers get its failure at once, so an outage causes no connection storm.
//!   The pause differs from process to process, so that not all reconnect at once.
//! - After an attempt that timed out, further attempts run without a caller. Meanwhile callers get the failure at once.
//!   This rule and the one before it are the circuit breaker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::failure::{CallFailure, Unsent};

/// The pause before the next attempt after Redis has refused one.
const PAUSE: Duration = Duration::from_millis(100);
/// The same when nothing listens, which is cheap to try and usual during a restart.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

type Attempt<T> = watch::Receiver<State<T>>;
type Make<T> = dyn Fn() -> BoxFuture<'static, Result<T, Unsent>> + Send + Sync;

/// The place of the value.
pub(crate) struct Supply<T> {
    make: Arc<Make<T>>,
    is_good: fn(&T) -> bool,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    attempt: Option<Attempt<T>>,
    /// The runtime for attempts and the tasks that they start: the one this was made on, not that of the worker that
    /// noticed a loss.
    home: Option<Handle>,
}

/// The result of an attempt.
enum State<T> {
    /// Nothing yet.
    Making,
    Made(Arc<T>),
    /// Failed; another attempt may start at this time.
    Failed(Unsent, Instant),
    /// Timed out. The task goes on.
    Hangs(Unsent),
}

enum Current<T> {
    Made(Arc<T>),
    Making(Attempt<T>),
}

impl<T: Send + Sync + 'static> Supply<T> {
    /// Made by `make`, and made again when it is no longer usable.
    pub(crate) fn new<M>(is_good: fn(&T) -> bool, make: M) -> Self
    where
        M: Fn() -> BoxFuture<'static, Result<T, Unsent>> + Send + Sync + 'static,
    {
        let slot = Slot { attempt: None, home: Handle::try_current().ok() };
        Self { make: Arc::new(make), is_good, slot: Mutex::new(slot) }
    }

    /// The value; waits for it until `deadline` if there is none.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<T>, CallFailure> {
        match self.current().map_err(CallFailure::Unsent)? {
            Current::Made(made) => Ok(made),
            // Boxed, because it is rare and larger.
            Current::Making(attempt) => Box::pin(self.made_by(attempt, deadline)).await,
        }
    }

    async fn made_by(&self, attempt: Attempt<T>, deadline: Instant) -> Result<Arc<T>, CallFailure> {
        let mut current = Current::Making(attempt);
        // Twice, because the first attempt may find that its runtime has ended.
        for again in [true, false] {
            let mut attempt = match current {
                Current::Made(made) => return Ok(made),
                Current::Making(attempt) => attempt,
            };
            match timeout_at(deadline, attempt.wait_for(|state| !matches!(state, State::Making))).await {
                Err(_) => return Err(CallFailure::Unsent(Unsent::new("Redis did not accept a connection in time"))),
                Ok(Err(_)) => {}
                Ok(Ok(state)) => match &*state {
                    State::Made(made) => return Ok(made.clone()),
                    State::Failed(unsent, _) | State::Hangs(unsent) => return Err(CallFailure::Unsent(unsent.clone())),
                    State::Making => {}
                },
            }
            if !again {
                break;
            }
            current = self.current().map_err(CallFailure::Unsent)?;
        }
        Err(CallFailure::Unsent(Unsent::new("the Tokio runtime is shutting down")))
    }

    /// The value, if there is a usable one.
    pub(crate) fn in_use(&self) -> Option<Arc<T>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot.attempt.as_ref()?.borrow() {
            State::Made(made) if (self.is_good)(made) => Some(made.clone()),
            _ => None,
        }
    }

    /// Starts an attempt if there is no usable one.
    pub(crate) fn renew(&self) {
        let _ = self.current();
    }

    fn current(&self) -> Result<Current<T>, Unsent> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stranded = false;
        if let Some(attempt) = &slot.attempt {
            let is_running = attempt.has_changed().is_ok();
            match &*attempt.borrow() {
                State::Made(made) if (self.is_good)(made) => return Ok(Current::Made(made.clone())),
                State::Failed(unsent, again_at) if Instant::now() < *again_at => return Err(unsent.clone()),
                State::Making if is_running => return Ok(Current::Making(attempt.clone())),
                State::Hangs(unsent) if is_running => return Err(unsent.clone()),
                State::Making | State::Hangs(_) => stranded = true,
                State::Made(_) | State::Failed(..) => {}
            }
        }
        if stranded {
            slot.home = None;
        }
        let home = match &slot.home {
            Some(home) => home.clone(),
            None => Handle::try_current().map_err(|_| Unsent::new("a Redis store needs a Tokio runtime"))?,
        };
        let (state, attempt) = watch::channel(State::Making);
        home.spawn(attempt_until_done(Arc::clone(&self.make), state));
        slot.home = Some(home);
        slot.attempt = Some(attempt.clone());
        Ok(Current::Making(attempt))
    }
}

/// Until it is made, or refused, or no longer needed.
async fn attempt_until_done<T>(make: Arc<Make<T>>, state: watch::Sender<State<T>>) {
    loop {
        let unsent = match make().await {
            Ok(made) => {
                state.send_replace(State::Made(Arc::new(made)));
                return;
            }
            Err(unsent) => unsent,
        };
        let again_at = Instant::now() + pause_after(&unsent);
        if !unsent.is_timeout() {
            state.send_replace(State::Failed(unsent, again_at));
            return;
        }
        if state.send(State::Hangs(unsent)).is_err() {
            return;
        }
        sleep_until(again_at).await;
    }
}

/// The time until the next attempt: the pause, plus a random part of up to half of it.
fn pause_after(unsent: &Unsent) -> Duration {
    let pause = if unsent.is_refused() { SHORT_PAUSE } else { PAUSE };
    let random = getrandom::u32().unwrap_or_default();
    pause + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Hangs this often before it is made, and counts the attempts.
    fn hanging(times: usize) -> (Supply<()>, Arc<AtomicUsize>) {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = attempts.clone();
        let supply = Supply::new(
            |_| true,
            move || {
                let hangs = counted.fetch_add(1, Ordering::SeqCst) < times;
                Box::pin(async move { if hangs { Err(Unsent::timeout("hangs")) } else { Ok(()) } })
            },
        );
        (supply, attempts)
    }

    async fn until(is_so: impl Fn() -> bool) {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_hung_is_made_without_being_asked_for() {
        let (supply, attempts) = hanging(3);
        assert!(matches!(supply.get(Instant::now() + MINUTE).await, Err(CallFailure::Unsent(_))));
        until(|| supply.in_use().is_some()).await;
        assert_eq!(attempts.load(Ordering::SeqCst), 4);
        assert!(supply.get(Instant::now()).await.is_ok());
    }

    #[tokio::test]
    async fn what_nobody_wants_any_more_is_left() {
        let (supply, attempts) = hanging(usize::MAX);
        assert!(supply.get(Instant::now() + MINUTE).await.is_err());
        drop(supply);
        // The last counter is gone.
        until(|| Arc::strong_count(&attempts) == 1).await;
    }

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
