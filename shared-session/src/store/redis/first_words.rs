//! What a server says to a connection that it closes at once: with `maxclients` reached, or in protected mode. The driver
//! waits for more replies then, and only tells that the connection ended.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use redis::{RedisError, make_extension_error};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is kept of it.
const LIMIT: usize = 256;

/// A connection whose first words are kept if they are an error.
pub(super) struct Overheard<S> {
    stream: S,
    /// Until they came.
    awaited: Option<FirstWords>,
}

/// An error that was the first that came.
#[derive(Clone, Default)]
pub(super) struct FirstWords(Arc<OnceLock<Vec<u8>>>);

impl<S> Overheard<S> {
    pub(super) fn new(stream: S) -> (Self, FirstWords) {
        let words = FirstWords::default();
        (Self { stream, awaited: Some(words.clone()) }, words)
    }
}

impl FirstWords {
    fn are(&self, bytes: &[u8]) {
        if let Some(error) = bytes.strip_prefix(b"-") {
            let line = error.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let _ = self.0.set(line.iter().copied().take(LIMIT).collect());
        }
    }

    /// Why the connection ended, if the server said so.
    pub(super) fn explain(&self, error: RedisError) -> RedisError {
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
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some(words) = self.awaited.take() {
            words.are(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
