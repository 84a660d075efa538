//! Many calls at once over one connection: their commands go out one after the other, and the replies come in the same
//! order (pipelining).
//!
//! - Commands that are queued during a write go out together in the next write. While many calls run, a write waits
//!   until the tasks that are ready have run: their commands go out with it, which is cheaper than a write for each,
//!   here and on the server.
//! - The reply to an abandoned call is still read from the connection.
//! - When the driver ends, for any reason, each waiting call fails, and each later call fails at once.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    ops::RangeInclusive,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::BufMut as _;
use futures_util::task::AtomicWaker;
use redis::{PushInfo, PushKind, RedisError, Value, aio::AsyncPushSender};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::oneshot,
};

use crate::store::redis::wire::{
    call_limit::CallLimit,
    encode::{Command, write_command},
    frame,
};

/// The size of one read, and the capacity that empty buffers keep.
const BUFFER: usize = 16 * 1024;

/// Texts of these lengths are read directly into their final buffer. For longer ones no memory is reserved in advance.
const LARGE: RangeInclusive<usize> = BUFFER / 4..=16 * 1024 * 1024;

const LINE_END: &[u8] = b"\r\n";

/// The handle to make calls. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    driver: AtomicWaker,
}

/// The commands that the driver has not taken yet.
#[derive(Default)]
struct Queue {
    commands: Vec<u8>,
    /// The callers that wait for the replies.
    waiting: VecDeque<Waiting>,
    has_ended: bool,
}

/// A caller that waits for the next reply or replies.
enum Waiting {
    One(oneshot::Sender<Result<Value, RedisError>>),
    Several { missing: usize, replies: Vec<Value>, to: oneshot::Sender<Result<Vec<Value>, RedisError>> },
}

/// Runs the connection, and ends with it.
pub(crate) struct Driver<S> {
    stream: S,
    shared: Arc<Shared>,
    /// The bytes to write, and the number of those already written.
    writing: Vec<u8>,
    written: usize,
    must_flush: bool,
    /// The callers whose commands were taken from the queue.
    in_flight: VecDeque<Waiting>,
    /// Bytes that were read and are not a complete reply yet.
    buffer: Vec<u8>,
    /// A large text that is read directly into its final buffer, once its length is known.
    large: Option<Large>,
    heard: Heard,
    under_way: Arc<CallLimit>,
    /// Whether the tasks that were ready have run since the commands were queued.
    has_waited: bool,
}

/// The part of a reply's text that has arrived, and the end of its line.
struct Large {
    text: Vec<u8>,
    len: usize,
}

/// The listener for the server's pushes.
struct Heard(Option<Arc<dyn AsyncPushSender>>);

impl Calls {
    /// Calls over `stream`, which is logged in. The driver must be polled.
    pub(crate) fn over<S>(
        stream: S,
        listener: Option<Arc<dyn AsyncPushSender>>,
        under_way: Arc<CallLimit>,
    ) -> (Self, Driver<S>) {
        let shared = Arc::<Shared>::default();
        let driver = Driver {
            stream,
            shared: Arc::clone(&shared),
            writing: Vec::new(),
            written: 0,
            must_flush: false,
            in_flight: VecDeque::new(),
            buffer: Vec::new(),
            large: None,
            heard: Heard(listener),
            under_way,
            has_waited: false,
        };
        (Self(shared), driver)
    }

    /// Sends `command` at once; the future returns the reply.
    pub(crate) fn one(&self, command: Command<'_>) -> impl Future<Output = Result<Value, RedisError>> + use<> {
        let (to, reply) = oneshot::channel();
        self.enqueue(Waiting::One(to), |queue| write_command(command, queue));
        async { reply.await.unwrap_or_else(|_| Err(ended())) }
    }

    /// Sends all `commands`, one or more, at once and with no other command in between.
    pub(crate) fn all(&self, commands: &[Command<'_>]) -> impl Future<Output = Result<Vec<Value>, RedisError>> + use<> {
        let (to, reply) = oneshot::channel();
        let missing = commands.len();
        debug_assert!(missing > 0, "the reply of another call would be taken");
        let waiting = Waiting::Several { missing, replies: Vec::with_capacity(missing), to };
        self.enqueue(waiting, |queue| commands.iter().for_each(|command| write_command(command, queue)));
        async { reply.await.unwrap_or_else(|_| Err(ended())) }
    }

    /// Whether the connection has ended.
    pub(crate) fn have_ended(&self) -> bool {
        self.0.queue().has_ended
    }

    fn enqueue(&self, waiting: Waiting, write: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.0.queue();
        if queue.has_ended {
            return;
        }
        write(&mut queue.commands);
        queue.waiting.push_back(waiting);
        // If there are earlier commands in the queue, their callers have already woken the driver.
        let is_first = queue.waiting.len() == 1;
        drop(queue);
        if is_first {
            self.0.driver.wake();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code under the lock leaves the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Empties `buffer`.
fn clear(buffer: &mut Vec<u8>) {
    let held = buffer.len();
    buffer.clear();
    give_back(buffer, held);
}

/// Frees memory of `buffer`, which held `held` bytes, but only if its capacity is much larger. Under load it keeps its
/// capacity, however large the values are; the first small batch after a large one shrinks it.
fn give_back(buffer: &mut Vec<u8>, held: usize) {
    let enough = held.max(BUFFER);
    if buffer.capacity() > 4 * enough {
        buffer.shrink_to(2 * enough);
    }
}

fn ended() -> RedisError {
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        driver.shared.driver.register(cx.waker());
        let worked = driver.write(cx).and_then(|()| driver.read(cx));
        let Err(error) = worked else { return Poll::Pending };
        // The caller whose reply was due gets the reason, the others only learn that the connection is gone.
        match driver.in_flight.pop_front() {
            Some(Waiting::One(to)) => _ = to.send(Err(error)),
            Some(Waiting::Several { to, .. }) => _ = to.send(Err(error)),
            None => {}
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Writes until nothing is left or the connection takes no more.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), RedisError> {
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                clear(&mut self.writing);
                let mut queue = self.shared.queue();
                if !self.has_waited && !queue.commands.is_empty() && self.under_way.are_many() {
                    self.has_waited = true;
                    // Runs the tasks that are ready first. Unlike `yield_now` this lets another worker take over while
                    // one of them blocks.
                    cx.waker().wake_by_ref();
                    break;
                }
                self.has_waited = false;
                std::mem::swap(&mut queue.commands, &mut self.writing);
                self.in_flight.append(&mut queue.waiting);
            }
            let rest = self.writing.get(self.written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(written) => self.written += written?,
            }
            self.must_flush = true;
        }
        if self.must_flush && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.must_flush = false;
        }
        Ok(())
    }

    /// Reads all bytes that have arrived.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), RedisError> {
        loop {
            let read = match &mut self.large {
                Some(large) => {
                    let missing = large.len + LINE_END.len() - large.text.len();
                    pin!(self.stream.read_buf(&mut (&mut large.text).limit(missing))).poll(cx)
                }
                None => {
                    self.buffer.reserve(BUFFER / 2);
                    pin!(self.stream.read_buf(&mut self.buffer)).poll(cx)
                }
            };
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Poll::Ready(read) => _ = read?,
            }
            match self.large.take() {
                Some(large) if large.is_whole() => self.deliver(Value::BulkString(large.text()?))?,
                Some(large) => self.large = Some(large),
                None => self.deliver_all()?,
            }
        }
    }

    /// Delivers the complete replies in the buffer.
    fn deliver_all(&mut self) -> Result<(), RedisError> {
        let mut start = 0;
        while let Some((value, len)) = frame::read(self.buffer.get(start..).unwrap_or_default())? {
            start += len;
            self.deliver(value)?;
        }
        let rest = self.buffer.get(start..).unwrap_or_default();
        if let Some((len, begun)) = frame::begun_text(rest, LARGE) {
            let mut text = Vec::with_capacity(len + LINE_END.len());
            text.extend_from_slice(begun);
            self.large = Some(Large { text, len });
            start = self.buffer.len();
        }
        self.buffer.drain(..start);
        give_back(&mut self.buffer, start);
        Ok(())
    }

    fn deliver(&mut self, value: Value) -> Result<(), RedisError> {
        let value = match value {
            // In RESP3 this is the only reply to a subscription.
            Value::Push { kind: kind @ (PushKind::Subscribe | PushKind::PSubscribe | PushKind::SSubscribe), data } => {
                Value::Push { kind, data }
            }
            Value::Push { kind, data } => {
                self.heard.tell(PushInfo { kind, data });
                return Ok(());
            }
            Value::Attribute { data, .. } => *data,
            value => value,
        };
        match self.in_flight.pop_front() {
            Some(Waiting::One(to)) => _ = to.send(Ok(value)),
            Some(Waiting::Several { missing, mut replies, to }) => {
                replies.push(value);
                if replies.len() == missing {
                    _ = to.send(Ok(replies));
                } else {
                    self.in_flight.push_front(Waiting::Several { missing, replies, to });
                }
            }
            // Everything after it would answer another call.
            None => return Err((redis::ErrorKind::Parse, "an unexpected reply arrived").into()),
        }
        Ok(())
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.has_ended = true;
        let left = std::mem::take(&mut queue.waiting);
        queue.commands = Vec::new();
        drop(queue);
        drop(left);
    }
}

impl Large {
    fn is_whole(&self) -> bool {
        self.text.len() >= self.len + LINE_END.len()
    }

    fn text(mut self) -> Result<Vec<u8>, RedisError> {
        if !self.text.ends_with(LINE_END) {
            return Err((redis::ErrorKind::Parse, "the server sent an invalid reply").into());
        }
        self.text.truncate(self.len);
        Ok(self.text)
    }
}

impl Heard {
    fn tell(&self, info: PushInfo) {
        if let Some(listener) = &self.0 {
            // Ignore a listener that was dropped.
            let _ = listener.send(info);
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.tell(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
    }
}

#[cfg(test)]
mod tests;
