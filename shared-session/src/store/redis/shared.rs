//! One multiplexed connection for everyone, made when it is needed.
//!
//! - At most one attempt to connect runs at any time. It runs on its own task, so no caller's deadline cuts it short.
//! - Callers wait for the attempt that runs, each until its own deadline. No caller sleeps.
//! - For a moment after a failed attempt callers get its failure at once, so an outage is no connection storm.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind as RedisErrorKind, ProtocolVersion, PushInfo, RedisError, RedisResult,
    aio::MultiplexedConnection,
};
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::failure::{Failure, Unsent};

/// After this many time-outs in a row the connection is replaced: the server may be fine and only the way to it gone.
const TIMEOUTS: u32 = 3;
/// How soon Redis is asked for a connection again after it has refused one, and how old a connection must be before a
/// READONLY answer replaces it.
const PAUSE: Duration = Duration::from_millis(100);
/// The same when nothing listens, which is cheap to ask and the usual case in a restart.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

type Outcome = Result<Arc<Link>, (Unsent, Instant)>;
type Attempt = watch::Receiver<Option<Outcome>>;

/// The place of the one connection.
pub(super) struct Shared {
    client: Client,
    connect_timeout: Duration,
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
    pub(super) fn new(client: Client, connect_timeout: Duration) -> Self {
        let slot = Slot { attempt: None, home: Handle::try_current().ok() };
        Self { client, connect_timeout, slot: Mutex::new(slot) }
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
        let (client, connect_timeout) = (self.client.clone(), self.connect_timeout);
        home.spawn(async move {
            let outcome = connect(&client, connect_timeout).await;
            sender.send_replace(Some(outcome.map(Arc::new)));
        });
        slot.home = Some(home);
        slot.attempt = Some(attempt.clone());
        Ok(Current::Connecting(attempt))
    }
}

async fn connect(client: &Client, connect_timeout: Duration) -> Result<Link, (Unsent, Instant)> {
    let unsent = match timeout(connect_timeout, dial(client)).await {
        Ok(Ok(link)) => {
            tracing::debug!("connected to Redis");
            return Ok(link);
        }
        Ok(Err(error)) => Unsent::from(error),
        Err(_) => Unsent::new("Redis did not accept a connection in time"),
    };
    let pause = if unsent.is_refused() { SHORT_PAUSE } else { PAUSE };
    Err((unsent, Instant::now() + pause))
}

async fn dial(client: &Client) -> RedisResult<Link> {
    let closed = Arc::new(AtomicBool::new(false));
    let connection = match open(client, AsyncConnectionConfig::new().set_push_sender(tell(&closed))).await {
        Err(error) if is_hello_unknown(&error) => {
            let info = client.get_connection_info();
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
            let client = Client::open(info.clone().set_redis_settings(settings))?;
            // The first attempt has set its flag when it ended.
            closed.store(false, Ordering::Release);
            open(&client, AsyncConnectionConfig::new()).await?
        }
        done => done?,
    };
    Ok(Link { connection, closed, timeouts: AtomicU32::new(0), since: Instant::now() })
}

/// Time-outs are ours, one for each call; the driver's would be a second timer for the same.
async fn open(client: &Client, config: AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
    let config = config.set_connection_timeout(None).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// A receiver of pushes that says through `closed` when it is dropped, which the driver does when the connection ends
/// and the runtime when it ends itself.
fn tell(closed: &Arc<AtomicBool>) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
    struct Closed(Arc<AtomicBool>);
    impl Drop for Closed {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let on_drop = Closed(closed.clone());
    move |_| {
        let _ = &on_drop;
        Ok(())
    }
}

/// Proxies and old servers know no RESP3. Without it a loss shows only when a command fails.
fn is_hello_unknown(error: &RedisError) -> bool {
    error.kind() == RedisErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

/// One connection and what is known about its health.
pub(super) struct Link {
    connection: MultiplexedConnection,
    closed: Arc<AtomicBool>,
    timeouts: AtomicU32,
    since: Instant,
}

impl Link {
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Nothing more is sent here. Calls under way keep waiting for their replies.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn answered(&self) {
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn timed_out(&self) {
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS {
            tracing::warn!("Redis does not answer: replacing the connection");
            self.close();
        }
    }

    /// The server has become a replica: another connection may lead to the primary.
    pub(super) fn demoted(&self) {
        self.answered();
        if self.since.elapsed() >= PAUSE {
            tracing::warn!("Redis has become a replica: replacing the connection");
            self.close();
        }
    }
}
