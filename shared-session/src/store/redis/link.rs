//! One connection, its driver, and what is known about its health.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use redis::{Cmd, PushInfo, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{broadcast, watch},
    task::AbortHandle,
    time::{Instant, error::Elapsed, timeout_at},
};

use super::{connection::Effect, dial::Address, failure::Failure, how::How};

/// After this many time-outs in a row the connection is replaced: the server may be fine and only the way to it gone.
/// After one of a write already: the server may hold it back (`CLIENT PAUSE … WRITE`), and with it all that follows it on
/// this connection, which it would answer on another.
const TIMEOUTS: u32 = 3;
/// How old a connection must be before such an answer replaces it.
const DEMOTION_PAUSE: Duration = Duration::from_millis(100);

/// A connection. It ends with its last owner.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Where its server listens.
    address: Address,
    /// Its receiver lives as long as the driver, whatever ends that: the server, the runtime, a panic.
    driver: watch::Sender<()>,
    /// The driver and what accompanies it.
    tasks: Vec<AbortHandle>,
    /// Its senders live as long as the driver.
    pushes: broadcast::WeakSender<PushInfo>,
    closed: Closer,
    timeouts: AtomicU32,
    since: Instant,
    _open: crate::metrics::Entered,
}

impl Link {
    /// Drives the connection on the current runtime.
    pub(super) fn new(
        address: Address,
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
        pushes: broadcast::WeakSender<PushInfo>,
    ) -> Self {
        let (sender, receiver) = watch::channel(());
        let task = tokio::spawn(async move {
            driver.await;
            drop(receiver);
        });
        Self {
            connection,
            address,
            driver: sender,
            tasks: vec![task.abort_handle()],
            pushes,
            closed: Closer::default(),
            timeouts: AtomicU32::new(0),
            since: Instant::now(),
            _open: crate::metrics::REDIS_CONNECTIONS.enter(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Runs `task` for as long as the connection is there.
    pub(super) fn accompany(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task).abort_handle());
    }

    /// Sends `command` and waits for its reply until `deadline`.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        effect: Effect,
        how: How,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        match how {
            How::PLAIN => {
                let sent = async { reply(connection.send_packed_command(command).await) };
                self.wait_for(sent, effect, deadline).await
            }
            // Boxed, because it is rare and larger.
            how => {
                let together = how.pipeline(command);
                let count = together.len();
                let sent = async { how.reply(connection.send_packed_commands(&together, 0, count).await) };
                let deadline = deadline + how.extra_time();
                Box::pin(self.wait_for(sent, effect, deadline)).await
            }
        }
    }

    async fn wait_for(
        &self,
        reply: impl Future<Output = Result<Value, Failure>>,
        effect: Effect,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        // A command that is queued in the moment in which the driver ends is never taken from its queue, because we hold
        // the queue's other end: its reply must not be waited for.
        let ended = pin!(self.driver.closed());
        let outcome = match timeout_at(deadline, select(pin!(reply), ended)).await {
            Err(Elapsed { .. }) => Err(Failure::TimedOut),
            Ok(Either::Right(_)) => Err(Failure::Lost(io::Error::from(io::ErrorKind::BrokenPipe).into())),
            Ok(Either::Left((reply, _))) => reply,
        };
        self.note(effect, &outcome);
        outcome
    }

    /// What the server says unasked, from now on. It ends with the connection; with RESP2 nothing comes.
    pub(super) fn pushes(&self) -> broadcast::Receiver<PushInfo> {
        match self.pushes.upgrade() {
            Some(pushes) => pushes.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Whether more can be sent here.
    pub(super) fn is_good(&self) -> bool {
        !self.closed.is_closed() && !self.driver.is_closed()
    }

    /// Closes it from elsewhere.
    pub(super) fn closer(&self) -> Closer {
        self.closed.clone()
    }

    /// What a reply says about the health of the connection.
    fn note(&self, effect: Effect, outcome: &Result<Value, Failure>) {
        match outcome {
            Err(Failure::Lost(_)) => self.closed.close(),
            Err(Failure::TimedOut) => self.timed_out(effect),
            Err(Failure::Answered(answer)) if answer.is("READONLY") => self.demoted(),
            _ => self.answered(),
        }
    }

    fn answered(&self) {
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    fn timed_out(&self, effect: Effect) {
        crate::metrics::REDIS_TIMEOUTS.add_one();
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS || effect == Effect::Write {
            tracing::warn!("Redis does not answer: replacing the connection");
            self.closed.close();
        }
    }

    /// The server has become a replica: another connection may lead to the primary.
    fn demoted(&self) {
        self.answered();
        if self.since.elapsed() >= DEMOTION_PAUSE {
            tracing::warn!("Redis has become a replica: replacing the connection");
            self.closed.close();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Closes a connection: nothing more is sent there, and calls under way keep waiting for their replies.
#[derive(Clone, Default)]
pub(super) struct Closer(Arc<AtomicBool>);

impl Closer {
    pub(super) fn close(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What the driver's outcome says about the command.
pub(super) fn reply(outcome: Result<Value, RedisError>) -> Result<Value, Failure> {
    match outcome? {
        Value::ServerError(error) => Err(Failure::Answered((&error).into())),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use redis::{AsyncConnectionConfig, RedisConnectionInfo};
    use tokio::time::timeout;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A connection to a server that says nothing, and whose driver ends when told.
    async fn link() -> (Link, tokio::sync::oneshot::Sender<()>) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let login = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&login, ours, config).await.unwrap();
        let (end, ended) = tokio::sync::oneshot::channel();
        // The queue is never emptied and never dropped, as it happens to a command that is queued at the last moment.
        let held = async move {
            let _ = ended.await;
            std::mem::forget((driver, theirs));
        };
        (Link::new(Address::Unix("server".into()), connection, held, broadcast::channel(1).0.downgrade()), end)
    }

    #[tokio::test]
    async fn a_reply_is_not_waited_for_when_the_driver_has_ended() {
        let (link, end) = link().await;
        let command = redis::cmd("PING");
        let send = link.send(&command, Effect::Read, How::PLAIN, Instant::now() + 10 * MINUTE);
        let end = async {
            tokio::task::yield_now().await;
            assert!(link.is_good());
            end.send(()).unwrap();
        };
        let (outcome, ()) = timeout(MINUTE, futures_util::future::join(send, end)).await.expect("it does not hang");
        assert!(matches!(outcome, Err(Failure::Lost(_))), "{outcome:?}");
        assert!(!link.is_good());
    }
}
