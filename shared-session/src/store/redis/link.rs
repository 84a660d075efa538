//! One connection, its driver, and what is known about its health.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use futures_util::future::{Either, select};
use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, error::Elapsed, timeout_at},
};

use super::failure::Failure;

/// After this many time-outs in a row the connection is replaced: the server may be fine and only the way to it gone.
const TIMEOUTS: u32 = 3;
/// How old a connection must be before a READONLY answer replaces it.
const DEMOTION_PAUSE: Duration = Duration::from_millis(100);

/// A connection. It ends with its last owner.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Its receiver lives as long as the driver, whatever ends that: the server, the runtime, a panic.
    driver: watch::Sender<()>,
    task: AbortHandle,
    closed: AtomicBool,
    timeouts: AtomicU32,
    since: Instant,
}

impl Link {
    /// Drives the connection on the current runtime.
    pub(super) fn new(connection: MultiplexedConnection, driver: impl Future<Output = ()> + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(());
        let task = tokio::spawn(async move {
            driver.await;
            drop(receiver);
        });
        Self {
            connection,
            driver: sender,
            task: task.abort_handle(),
            closed: AtomicBool::new(false),
            timeouts: AtomicU32::new(0),
            since: Instant::now(),
        }
    }

    /// Sends `command` and waits for its reply until `deadline`.
    pub(super) async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        let mut connection = self.connection.clone();
        let reply = pin!(connection.send_packed_command(command));
        // A command that is queued in the moment in which the driver ends is never taken from its queue, because we hold
        // the queue's other end: its reply must not be waited for.
        let ended = pin!(self.driver.closed());
        let outcome = match timeout_at(deadline, select(reply, ended)).await {
            Err(Elapsed { .. }) => Err(Failure::TimedOut),
            Ok(Either::Right(_)) => Err(Failure::Lost(io::Error::from(io::ErrorKind::BrokenPipe).into())),
            Ok(Either::Left((reply, _))) => self::reply(reply),
        };
        self.note(&outcome);
        outcome
    }

    /// Whether nothing more should be sent here.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.driver.is_closed()
    }

    /// Nothing more is sent here. Calls under way keep waiting for their replies.
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// What a reply says about the health of the connection.
    fn note(&self, outcome: &Result<Value, Failure>) {
        match outcome {
            Err(Failure::Lost(_)) => self.close(),
            Err(Failure::TimedOut) => self.timed_out(),
            Err(Failure::Answered(answer)) if answer.is("READONLY") => self.demoted(),
            _ => self.answered(),
        }
    }

    fn answered(&self) {
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    fn timed_out(&self) {
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS {
            tracing::warn!("Redis does not answer: replacing the connection");
            self.close();
        }
    }

    /// The server has become a replica: another connection may lead to the primary.
    fn demoted(&self) {
        self.answered();
        if self.since.elapsed() >= DEMOTION_PAUSE {
            tracing::warn!("Redis has become a replica: replacing the connection");
            self.close();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
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
        (Link::new(connection, held), end)
    }

    #[tokio::test]
    async fn a_reply_is_not_waited_for_when_the_driver_has_ended() {
        let (link, end) = link().await;
        let command = redis::cmd("PING");
        let send = link.send(&command, Instant::now() + 10 * MINUTE);
        let end = async {
            tokio::task::yield_now().await;
            assert!(!link.is_closed());
            end.send(()).unwrap();
        };
        let (outcome, ()) = timeout(MINUTE, futures_util::future::join(send, end)).await.expect("it does not hang");
        assert!(matches!(outcome, Err(Failure::Lost(_))), "{outcome:?}");
        assert!(link.is_closed());
    }
}
