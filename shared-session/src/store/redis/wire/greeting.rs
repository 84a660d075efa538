//! A connection lent to the crate `redis` for the login.
//!
//! It keeps the error that a server sends before it closes a new connection: with `maxclients` reached, or in protected
//! mode. `redis` then waits for more replies, and reports only that the connection ended.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
};

use redis::{RedisError, make_extension_error};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The maximum length of the kept error.
const LIMIT: usize = 256;

/// A lent connection that keeps the first reply if it is an error.
pub(crate) struct Overheard<S> {
    stream: Arc<Mutex<S>>,
    /// Set until the first reply has arrived.
    awaited: Option<FirstWords>,
}

/// The owner's side of a lent connection.
pub(crate) struct Lent<S>(Arc<Mutex<S>>);

/// The first reply, if it was an error.
#[derive(Clone, Default)]
pub(crate) struct FirstWords(Arc<OnceLock<Vec<u8>>>);

impl<S> Overheard<S> {
    pub(crate) fn new(stream: S) -> (Self, Lent<S>, FirstWords) {
        let (words, stream) = (FirstWords::default(), Arc::new(Mutex::new(stream)));
        (Self { stream: Arc::clone(&stream), awaited: Some(words.clone()) }, Lent(stream), words)
    }

    fn stream(&self) -> MutexGuard<'_, S> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Lent<S> {
    /// The connection; `None` while it is still borrowed.
    pub(crate) fn take_back(self) -> Option<S> {
        Arc::into_inner(self.0).map(|stream| stream.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FirstWords {
    fn are(&self, bytes: &[u8]) {
        if let Some(error) = bytes.strip_prefix(b"-") {
            let line = error.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let _ = self.0.set(line.iter().copied().take(LIMIT).collect());
        }
    }

    /// The reason why the connection ended, if the server gave one.
    pub(crate) fn explain(&self, error: RedisError) -> RedisError {
        match self.0.get() {
            Some(line) if error.code().is_none() => {
                let line = String::from_utf8_lossy(line);
                let (code, detail) = line.split_once(' ').unwrap_or((&line, ""));
                make_extension_error(code.to_owned(), Some(detail.to_owned()))
            }
            _ => error,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.stream()).poll_read(cx, buf))?;
        if let Some(words) = self.awaited.take() {
            words.are(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// The failure of a connection that ended after these replies of the server.
    async fn explained(said: &[&str]) -> RedisError {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (mut stream, lent, words) = Overheard::new(ours);
        for reply in said {
            theirs.write_all(reply.as_bytes()).await.unwrap();
            let mut bytes = [0; 1024];
            let mut buffer = ReadBuf::new(&mut bytes);
            // The buffer's earlier content is not part of this read.
            buffer.put_slice(b"+");
            poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buffer)).await.unwrap();
            assert_eq!(&buffer.filled()[1..], reply.as_bytes());
        }
        drop(stream);
        assert!(lent.take_back().is_some());
        words.explain(io::Error::from(io::ErrorKind::BrokenPipe).into())
    }

    #[tokio::test]
    async fn an_error_that_comes_first_is_why_the_connection_ended() {
        let error = explained(&["-ERR max number of clients reached\r\n"]).await;
        assert_eq!((error.code(), error.detail()), (Some("ERR"), Some("max number of clients reached")));
        let error = explained(&["-DENIED\r\n", "-ERR another\r\n"]).await;
        assert_eq!((error.code(), error.detail()), (Some("DENIED"), Some("")));
        let error = explained(&[&format!("-ERR {}", "x".repeat(1000))]).await;
        assert_eq!(error.detail().map(str::len), Some(LIMIT - "ERR ".len()));
    }

    #[tokio::test]
    async fn other_words_and_later_ones_explain_nothing() {
        for said in [&[][..], &["+OK\r\n"], &["+OK\r\n", "-ERR later\r\n"], &["$6\r\n-ERR x\r\n"]] {
            assert!(explained(said).await.is_io_error(), "{said:?}");
        }
    }

    #[test]
    fn an_error_that_the_driver_understood_stays() {
        let words = FirstWords::default();
        words.are(b"-ERR max number of clients reached\r\n");
        let error = words.explain(make_extension_error("NOAUTH".to_owned(), None));
        assert_eq!(error.code(), Some("NOAUTH"));
    }
}
