//! One multiplexed connection for everyone, made when it is needed.
//!
//! - At most one attempt to connect runs at any time. It runs on its own task, so no caller's deadline cuts it short.
//! - Callers wait for the attempt that runs, each until its own deadline. No caller sleeps.
//! - For a moment after a failed attempt callers get its failure at once, so an outage is no connection storm.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    dial::{Address, Dialer},
    failure::{Failure, Unsent},
    link::Link,
};

/// How soon Redis is asked for a connection again after it has refused one.
const PAUSE: Duration = Duration::from_millis(100);
/// The same when nothing listens, which is cheap to ask and the usual case in a restart.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

type Outcome = Result<Arc<Link>, (Unsent, Instant)>;
type Attempt = watch::Receiver<Option<Outcome>>;

/// The place of the one connection.
pub(super) struct Shared {
    dialer: Dialer,
    address: Address,
    slot: Mutex<Slot>,
}

struct Slot {
    /// The last attempt: running, failed, or the connection in use.
    attempt: Option<Attempt>,
    /// The runtime that drives the connection: the one this was made on, not that of whichever worker noticed a loss.
    home: Option<Handle>,
}

enum Current {
    Link(Arc<Link>),
    Connecting(Attempt),
}

impl Shared {
    pub(super) fn new(dialer: Dialer, address: Address) -> Self {
        let slot = Slot { attempt: None, home: Handle::try_current().ok() };
        Self { dialer, address, slot: Mutex::new(slot) }
    }

    /// The connection, made by `deadline` if there is none.
    pub(super) async fn link(&self, deadline: Instant) -> Result<Arc<Link>, Failure> {
        // Twice, because the first attempt can find that the runtime it should run on has ended.
        for _ in 0..2 {
            let mut attempt = match self.current().map_err(Failure::Unsent)? {
                Current::Link(link) => return Ok(link),
                Current::Connecting(attempt) => attempt,
            };
            match timeout_at(deadline, attempt.wait_for(Option::is_some)).await {
                Err(_) => return Err(Failure::Unsent(Unsent::new("Redis did not accept a connection in time"))),
                Ok(Err(_)) => {}
                Ok(Ok(outcome)) => match &*outcome {
                    Some(Ok(link)) => return Ok(link.clone()),
                    Some(Err((unsent, _))) => return Err(Failure::Unsent(unsent.clone())),
                    None => {}
                },
            }
        }
        Err(Failure::Unsent(Unsent::new("the Tokio runtime is shutting down")))
    }

    fn current(&self) -> Result<Current, Unsent> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stranded = false;
        if let Some(attempt) = &slot.attempt {
            match &*attempt.borrow() {
                Some(Ok(link)) if !link.is_closed() => return Ok(Current::Link(link.clone())),
                Some(Err((unsent, again_at))) if Instant::now() < *again_at => return Err(unsent.clone()),
                None if attempt.has_changed().is_ok() => return Ok(Current::Connecting(attempt.clone())),
                outcome => stranded = outcome.is_none(),
            }
        }
        if stranded {
            slot.home = None;
        }
        let home = match &slot.home {
            Some(home) => home.clone(),
            None => Handle::try_current().map_err(|_| Unsent::new("a Redis store needs a Tokio runtime"))?,
        };
        let (sender, attempt) = watch::channel(None);
        let (dialer, address) = (self.dialer.clone(), self.address.clone());
        home.spawn(async move {
            let outcome = connect(&dialer, &address).await;
            sender.send_replace(Some(outcome.map(Arc::new)));
        });
        slot.home = Some(home);
        slot.attempt = Some(attempt.clone());
        Ok(Current::Connecting(attempt))
    }
}

async fn connect(dialer: &Dialer, address: &Address) -> Result<Link, (Unsent, Instant)> {
    let unsent = match dialer.dial(address).await {
        Ok(link) => {
            tracing::debug!("connected to Redis");
            return Ok(link);
        }
        Err(unsent) => unsent,
    };
    let pause = if unsent.is_refused() { SHORT_PAUSE } else { PAUSE };
    Err((unsent, Instant::now() + pause))
}
