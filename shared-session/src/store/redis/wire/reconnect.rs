//! A shared value that is made when it is needed: the connection to a server, the map of a cluster.
//!
//! - At most one attempt to make it runs at any time. It runs on its own task, so no caller's deadline cuts it short.
//! - Callers wait for the running attempt, each until its own deadline. No caller sleeps.
//! - For a short pause after a failed attempt callers get its failure at once, so an outage causes no connection storm.
//!   The pause is random, so that the processes do not all reconnect at once, and grows while nothing listens.
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

use super::failure::{CallFailure, NO_ANSWER, Unsent};

/// The pause before the next attempt after Redis has refused one.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause after the first attempt that finds nothing listening, which is cheap to find out and usual during a
/// restart. It doubles with each further attempt, so it stays about as long as the outage so far.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The pause doubles this many times, to 64 ms: a thousand processes then make a dozen attempts in a millisecond, and
/// find Redis within a tenth of a second of its return.
const DOUBLINGS: u32 = 6;

type Attempt<T> = watch::Receiver<State<T>>;
type Make<T> = dyn Fn() -> BoxFuture<'static, Result<T, Unsent>> + Send + Sync;

/// The slot of the value.
pub(crate) struct Reconnecting<T> {
    make: Arc<Make<T>>,
    is_good: fn(&T) -> bool,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    attempt: Option<Attempt<T>>,
    /// The runtime for attempts and the tasks that they start: the one on which this was made, not that of the worker
    /// that noticed a loss.
    home: Option<Handle>,
}

/// The result of an attempt.
enum State<T> {
    /// Nothing yet.
    Making,
    Made(Arc<T>),
    /// Failed; another attempt may start at this time.
    Failed {
        unsent: Unsent,
        again_at: Instant,
        absences: Absences,
    },
    /// Timed out. The task continues.
    Hangs(Unsent),
}

/// The number of attempts in a row that found nothing listening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Absences(u32);

enum Current<T> {
    Made(Arc<T>),
    Making(Attempt<T>),
}

impl<T: Send + Sync + 'static> Reconnecting<T> {
    /// A value from `make`, made again when it is no longer usable.
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
                Err(_) => return Err(CallFailure::Unsent(Unsent::new(NO_ANSWER))),
                Ok(Err(_)) => {}
                Ok(Ok(state)) => match &*state {
                    State::Made(made) => return Ok(made.clone()),
                    State::Failed { unsent, .. } | State::Hangs(unsent) => {
                        return Err(CallFailure::Unsent(unsent.clone()));
                    }
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
        let (mut stranded, mut so_far) = (false, Absences::default());
        if let Some(attempt) = &slot.attempt {
            let is_running = attempt.has_changed().is_ok();
            match &*attempt.borrow() {
                State::Made(made) if (self.is_good)(made) => return Ok(Current::Made(made.clone())),
                State::Failed { unsent, again_at, .. } if Instant::now() < *again_at => return Err(unsent.clone()),
                State::Failed { absences, .. } => so_far = *absences,
                State::Making if is_running => return Ok(Current::Making(attempt.clone())),
                State::Hangs(unsent) if is_running => return Err(unsent.clone()),
                State::Making | State::Hangs(_) => stranded = true,
                State::Made(_) => {}
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
        home.spawn(attempt_until_done(Arc::clone(&self.make), state, so_far));
        slot.home = Some(home);
        slot.attempt = Some(attempt.clone());
        Ok(Current::Making(attempt))
    }
}

/// Tries until the value is made, refused, or no longer needed.
async fn attempt_until_done<T>(make: Arc<Make<T>>, state: watch::Sender<State<T>>, mut absences: Absences) {
    loop {
        let unsent = match make().await {
            Ok(made) => {
                state.send_replace(State::Made(Arc::new(made)));
                return;
            }
            Err(unsent) => unsent,
        };
        absences = absences.and(&unsent);
        let again_at = Instant::now() + pause(absences, getrandom::u32().unwrap_or_default());
        if !unsent.is_timeout() {
            state.send_replace(State::Failed { unsent, again_at, absences });
            return;
        }
        if state.send(State::Hangs(unsent)).is_err() {
            return;
        }
        sleep_until(again_at).await;
    }
}

impl Absences {
    fn and(self, unsent: &Unsent) -> Self {
        if unsent.is_refused() { Self(self.0.saturating_add(1)) } else { Self::default() }
    }
}

/// The time until the next attempt: the pause, plus a random part of up to half of it. Without absences the last
/// attempt was refused or timed out.
fn pause(absences: Absences, random: u32) -> Duration {
    let pause = match absences.0.checked_sub(1) {
        None => PAUSE,
        Some(doublings) => FIRST_PAUSE * 2_u32.pow(doublings.min(DOUBLINGS)),
    };
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

    /// A value whose first `times` attempts hang, and a count of the attempts.
    fn hanging(times: usize) -> (Reconnecting<()>, Arc<AtomicUsize>) {
        let attempts = Arc::new(AtomicUsize::new(0));
        let counted = attempts.clone();
        let supply = Reconnecting::new(
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
    async fn a_connection_that_hung_is_made_without_another_request() {
        let (supply, attempts) = hanging(3);
        assert!(matches!(supply.get(Instant::now() + MINUTE).await, Err(CallFailure::Unsent(_))));
        until(|| supply.in_use().is_some()).await;
        assert_eq!(attempts.load(Ordering::SeqCst), 4);
        assert!(supply.get(Instant::now()).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_supply_stops_connecting() {
        let (supply, attempts) = hanging(usize::MAX);
        assert!(supply.get(Instant::now() + MINUTE).await.is_err());
        drop(supply);
        // The last counter is gone.
        until(|| Arc::strong_count(&attempts) == 1).await;
    }

    fn refused() -> Unsent {
        io::Error::from(io::ErrorKind::ConnectionRefused).into()
    }

    #[tokio::test]
    async fn attempts_in_a_row_that_find_nothing_are_counted() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let supply = Reconnecting::<()>::new(
            |_| true,
            move || {
                let is_refused = attempts.fetch_add(1, Ordering::SeqCst) != 2;
                Box::pin(async move { Err(if is_refused { refused() } else { Unsent::new("no login") }) })
            },
        );
        let mut counted = Vec::new();
        while counted.len() < 5 {
            let (unsent, again_at, absences) = {
                assert!(supply.get(Instant::now() + MINUTE).await.is_err());
                let slot = supply.slot.lock().unwrap();
                match &*slot.attempt.as_ref().unwrap().borrow() {
                    State::Failed { unsent, again_at, absences } => (unsent.clone(), *again_at, absences.0),
                    _ => panic!("the attempt has not failed"),
                }
            };
            assert_eq!(absences > 0, unsent.is_refused());
            counted.push(absences);
            sleep_until(again_at).await;
        }
        assert_eq!(counted, [1, 2, 0, 1, 2]);
    }

    #[test]
    fn pauses_differ_and_grow_from_a_millisecond_to_less_than_a_hundred_while_nothing_listens() {
        assert_eq!(Absences(7).and(&Unsent::timeout("no")), Absences::default());
        assert_eq!(Absences(u32::MAX).and(&refused()), Absences(u32::MAX));
        for (absences, least) in [(0, 100), (1, 1), (2, 2), (3, 4), (6, 32), (7, 64), (8, 64), (u32::MAX, 64)] {
            let least = Duration::from_millis(least);
            assert_eq!(pause(Absences(absences), 0), least, "{absences}");
            assert_eq!(pause(Absences(absences), u32::MAX), least.mul_f64(1.5), "{absences}");
            let pauses: BTreeSet<_> = (0..20).map(|part| pause(Absences(absences), part << 27)).collect();
            assert_eq!(pauses.len(), 20);
        }
    }

    /// A thousand busy processes lose their Redis in the same instant, and nothing listens for two seconds.
    #[test]
    fn a_thousand_processes_make_few_attempts_and_find_redis_soon() {
        const PROCESSES: u64 = 1000;
        const BACK: Duration = Duration::from_secs(2);
        let mut attempts = [0_u32; 2200];
        let mut found = Duration::ZERO;
        for process in 0..PROCESSES {
            let mut random = process.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let (mut at, mut absences) = (Duration::ZERO, Absences::default());
            while at < BACK {
                attempts[usize::try_from(at.as_millis()).unwrap()] += 1;
                absences = absences.and(&refused());
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                at += pause(absences, (random >> 32) as u32);
            }
            found = found.max(at - BACK);
        }
        let most = attempts[500..].iter().max().unwrap();
        assert!(*most < 60, "{most} attempts in one millisecond");
        assert!(found < Duration::from_millis(100), "{found:?}");
    }
}
