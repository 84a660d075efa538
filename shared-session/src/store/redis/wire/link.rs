//! The connections to one server, their drivers, and their health.
//!
//! There are several, called lanes, so that a wait on one does not delay another: a server can hold back writes and
//! still answer reads (`CLIENT PAUSE … WRITE`). They are replaced together, because a single one could stay with a
//! server that is no longer the primary.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use redis::{PushInfo, RedisError, Value};
use tokio::{
    sync::broadcast,
    task::{AbortHandle, yield_now},
    time::{Instant, timeout_at},
};

use super::{
    address::Address, driver::Calls, encode::Command, failure::CallFailure, send_options::SendOptions, trust::Trust,
};

/// The lane of reads. All others are for writes.
pub(crate) const READS: usize = 0;
/// After this many timed-out reads in a row the connections are replaced, because possibly only the network path is
/// broken. A single timed-out write is enough: the next write would only wait behind it, and a write that was reported
/// as failed should not be applied later.
const TIMEOUTS: u32 = 3;
/// The minimum age at which a connection is replaced because its server is a replica.
const DEMOTION_PAUSE: Duration = Duration::from_millis(100);

/// The connections to a server. They end with their last owner.
pub(crate) struct Link {
    /// The address of the server.
    address: Address,
    lanes: Box<[Lane]>,
    /// Tasks that run as long as the connections exist.
    companion: Option<AbortHandle>,
    closed: Closer,
    trust: Trust,
    since: Instant,
}

/// One connection.
pub(crate) struct Lane {
    calls: Calls,
    driver: AbortHandle,
    /// Its senders live as long as the driver.
    pushes: broadcast::WeakSender<PushInfo>,
    timeouts: AtomicU32,
    _open: crate::metrics::Entered,
}

impl Lane {
    /// Drives the connection on the current runtime. Its calls end with the driver, whether the server, the runtime or
    /// a panic ends it.
    pub(crate) fn new(
        calls: Calls,
        driver: impl Future<Output = ()> + Send + 'static,
        pushes: broadcast::WeakSender<PushInfo>,
    ) -> Self {
        Self {
            calls,
            driver: tokio::spawn(driver).abort_handle(),
            pushes,
            timeouts: AtomicU32::new(0),
            _open: crate::metrics::REDIS_CONNECTIONS.enter(),
        }
    }

    fn answered(&self) {
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    /// The number of time-outs in a row.
    fn timed_out(&self) -> u32 {
        crate::metrics::REDIS_TIMEOUTS.add_one();
        self.timeouts.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// `lanes` all lead to the server at `address`.
    pub(crate) fn new(address: Address, lanes: Vec<Lane>, trust: Trust) -> Self {
        let (closed, since) = (Closer::default(), Instant::now());
        Self { address, lanes: lanes.into(), companion: None, closed, trust, since }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Runs `task` as long as the connections exist.
    pub(crate) fn accompany(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.companion = Some(tokio::spawn(task).abort_handle());
    }

    /// Sends `command` on this lane and waits for its reply until `deadline`.
    pub(crate) async fn send(
        &self,
        number: usize,
        command: Command<'_>,
        how: SendOptions,
        deadline: Instant,
    ) -> Result<Value, CallFailure> {
        let Some(lane) = self.lanes.get(number) else { return Err(CallFailure::Unexpected) };
        let outcome = match how {
            SendOptions::PLAIN => in_time(deadline, lane.calls.one(command)).await.map(reply),
            // Boxed, because it is rare and larger.
            how => Box::pin(in_time(deadline + how.extra_time(), how.with(command, |all| lane.calls.all(all))))
                .await
                .map(|replies| how.reply(replies)),
        };
        let outcome = outcome.unwrap_or(Err(CallFailure::TimedOut));
        self.note(number, lane, &outcome);
        outcome
    }

    /// The server's pushes from now on, until the connection ends. RESP2 has none.
    pub(crate) fn pushes(&self) -> broadcast::Receiver<PushInfo> {
        match self.lanes.first().and_then(|lane| lane.pushes.upgrade()) {
            Some(pushes) => pushes.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Whether the link still accepts commands.
    pub(crate) fn is_good(&self) -> bool {
        !self.closed.is_closed() && self.trust.holds() && self.lanes.iter().all(|lane| !lane.calls.have_ended())
    }

    /// Closes it from another task.
    pub(crate) fn closer(&self) -> Closer {
        self.closed.clone()
    }

    /// Updates the health of the connections after a call.
    fn note(&self, number: usize, lane: &Lane, outcome: &Result<Value, CallFailure>) {
        match outcome {
            Err(CallFailure::Lost(_)) => self.closed.close(),
            Err(CallFailure::TimedOut) => {
                if lane.timed_out() >= TIMEOUTS || number != READS {
                    tracing::warn!("Redis does not answer: replacing the connection");
                    self.trust.end();
                }
            }
            Err(CallFailure::Answered(answer)) if answer.is("READONLY") => {
                lane.answered();
                self.demoted();
            }
            _ => lane.answered(),
        }
    }

    /// The server has become a replica: another connection may lead to the primary.
    fn demoted(&self) {
        if self.since.elapsed() >= DEMOTION_PAUSE {
            tracing::warn!("Redis has become a replica: replacing the connection");
            self.trust.end();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(companion) = &self.companion {
            companion.abort();
        }
    }
}

/// Closes a link: it accepts no more commands, and running calls keep waiting for their replies.
#[derive(Clone, Default)]
pub(crate) struct Closer(Arc<AtomicBool>);

impl Closer {
    pub(crate) fn close(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Waits for `reply` until `deadline`. If the driver shares a busy thread, the reply may have arrived and not been
/// read: the driver gets one more turn before the time-out.
async fn in_time<T>(deadline: Instant, reply: impl Future<Output = T>) -> Option<T> {
    let mut reply = pin!(reply);
    match timeout_at(deadline, reply.as_mut()).await {
        Ok(reply) => Some(reply),
        Err(_) => {
            yield_now().await;
            reply.now_or_never()
        }
    }
}

/// The outcome of the command, from the driver's result.
pub(crate) fn reply(outcome: Result<Value, RedisError>) -> Result<Value, CallFailure> {
    match outcome? {
        Value::ServerError(error) => Err(CallFailure::Answered((&error).into())),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::time::timeout;

    use super::*;
    use crate::store::redis::wire::{call_limit::CallLimit, trust::Trusts};

    const MINUTE: Duration = Duration::from_secs(60);

    fn address() -> Address {
        Address::Unix("server".into())
    }

    /// A connection to a silent server, with a driver that ends on request.
    fn link() -> (Link, tokio::sync::oneshot::Sender<()>) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let (calls, driver) = Calls::over(ours, None, Arc::new(CallLimit::new(1000)));
        let (end, ended) = tokio::sync::oneshot::channel();
        // The queue is never emptied, as for a command that is queued at the last moment.
        let held = async move {
            let _ = ended.await;
            drop((driver, theirs));
        };
        let lane = Lane::new(calls, held, broadcast::channel(1).0.downgrade());
        (Link::new(address(), vec![lane], Trusts::default().of(&address())), end)
    }

    #[tokio::test]
    async fn a_reply_is_not_waited_for_when_the_driver_has_ended() {
        let (link, end) = link();
        let send = link.send(READS, &[b"PING"], SendOptions::PLAIN, Instant::now() + 10 * MINUTE);
        let end = async {
            tokio::task::yield_now().await;
            assert!(link.is_good());
            end.send(()).unwrap();
        };
        let (outcome, ()) = timeout(MINUTE, futures_util::future::join(send, end)).await.expect("the call ends");
        assert!(matches!(outcome, Err(CallFailure::Lost(_))), "{outcome:?}");
        assert!(!link.is_good());
    }

    fn answered(error: &[u8]) -> Result<Value, CallFailure> {
        reply(Ok(redis::parse_redis_value(error).unwrap()))
    }

    #[tokio::test]
    async fn only_late_reads_in_a_row_end_the_trust_in_a_server() {
        let late = || Err(CallFailure::TimedOut);
        for reset in [Ok(Value::Nil), answered(b"-ERR syntax\r\n"), answered(b"-READONLY a replica\r\n")] {
            let (link, _end) = link();
            for outcome in [late(), late(), reset, late(), late()] {
                link.note(READS, &link.lanes[0], &outcome);
                assert!(link.is_good(), "{outcome:?}");
            }
            link.note(READS, &link.lanes[0], &late());
            assert!(!link.is_good());
        }
    }

    #[tokio::test]
    async fn one_late_write_ends_the_trust_in_a_server() {
        let (link, _end) = link();
        link.note(READS + 1, &link.lanes[0], &Err(CallFailure::TimedOut));
        assert!(!link.is_good());
    }

    #[tokio::test]
    async fn only_a_server_that_has_become_a_replica_is_left_after_an_error() {
        let (mut link, _end) = link();
        link.since = Instant::now().checked_sub(MINUTE).unwrap();
        link.note(READS + 1, &link.lanes[0], &answered(b"-ERR syntax\r\n"));
        assert!(link.is_good());
        link.note(READS + 1, &link.lanes[0], &answered(b"-READONLY a replica\r\n"));
        assert!(!link.is_good());
    }

    #[tokio::test]
    async fn a_link_with_a_lost_connection_accepts_no_more_commands() {
        let (link, _end) = link();
        let lost = redis::RedisError::from((redis::ErrorKind::Io, "lost"));
        link.note(READS, &link.lanes[0], &Err(CallFailure::Lost(lost)));
        assert!(!link.is_good());
    }

    #[tokio::test]
    async fn the_tasks_of_a_link_end_with_it() {
        let (mut link, _end) = link();
        let (held, ended) = tokio::sync::oneshot::channel::<()>();
        link.accompany(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(link);
        timeout(MINUTE, ended).await.expect("the task ends").unwrap_err();
    }

    /// On one thread, as a worker of Actix Web is, the driver cannot read while a handler blocks.
    #[tokio::test]
    async fn a_reply_that_came_while_the_thread_was_busy_is_not_late() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (busy, is_busy) = std::sync::mpsc::channel();
        let (answered, has_answered) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).unwrap();
            is_busy.recv_timeout(MINUTE).unwrap();
            stream.write_all(b"+PONG\r\n").unwrap();
            answered.send(()).unwrap();
            stream
        });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (calls, driver) = Calls::over(stream, None, Arc::new(CallLimit::new(1000)));
        let lane = Lane::new(calls, driver, broadcast::channel(1).0.downgrade());
        let link = Link::new(self::address(), vec![lane], Trusts::default().of(&self::address()));
        let deadline = Instant::now() + Duration::from_millis(100);
        let send = link.send(READS, &[b"PING"], SendOptions::PLAIN, deadline);
        let handler = async {
            // Meanwhile the driver sends.
            tokio::time::sleep(Duration::from_millis(10)).await;
            busy.send(()).unwrap();
            has_answered.recv_timeout(MINUTE).unwrap();
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(50));
        };
        let (outcome, ()) = futures_util::future::join(send, handler).await;
        assert!(matches!(outcome, Ok(Value::SimpleString(_))), "{outcome:?}");
        drop(server.join().unwrap());
    }
}
