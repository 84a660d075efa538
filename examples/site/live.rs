//! Server-sent events for the home page: the session as it changes, for as long as the page is open.
//!
//! - Each page costs one read of the store and one of the user's row a second; a visitor without a cookie costs
//!   nothing.
//! - A read commits nothing and extends nothing.
//! - A stream ends after some minutes, so that the browser comes back with its cookie of that time. It ends at once
//!   when the service is asked to stop.

use std::{sync::Arc, time::Duration};

use actix_web::web::Bytes;
use futures_util::{Stream, stream::unfold};
use serde_json::json;
use shared_session::{Error, SessionManager};
use shared_session_examples::pages::SessionView;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep},
};

/// The most streams at a time: each one holds a connection.
const MAX_STREAMS: usize = 128;
const READ_EVERY: Duration = Duration::from_secs(1);
/// The longest silence. Then the stream sends a comment, because proxies close silent connections.
const SILENCE: Duration = Duration::from_secs(15);
/// The longest life of a stream.
const MAX_DURATION: Duration = Duration::from_secs(300);

/// The streams of this process.
pub(crate) struct Live {
    free: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_STREAMS)), stop: watch::Sender::new(false) }
    }

    /// Ends every stream.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The events for the client that sent these `Cookie` headers; `None` if there are too many streams already.
    pub(crate) fn follow(
        &self,
        manager: SessionManager,
        cookies: Vec<Vec<u8>>,
    ) -> Option<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<>> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let now = Instant::now();
        let events = Events {
            manager,
            cookies,
            stop: self.stop.subscribe(),
            last: None,
            sent_at: now,
            until: now + MAX_DURATION,
            _permit: permit,
        };
        Some(unfold(events, |mut events| async { events.next().await.map(|event| (Ok(event), events)) }))
    }
}

/// The stream of one page.
struct Events {
    manager: SessionManager,
    cookies: Vec<Vec<u8>>,
    stop: watch::Receiver<bool>,
    /// The last event.
    last: Option<String>,
    sent_at: Instant,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Events {
    /// The next thing to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.last.is_some() && !self.wait_for_next_read().await {
                return None;
            }
            let event = match self.read().await {
                Ok(view) => format!("data: {}\n\n", json!(view)),
                Err(error) => {
                    tracing::debug!(%error, "the session of a stream cannot be read now");
                    "event: down\ndata: {}\n\n".to_owned()
                }
            };
            if self.last.as_ref() != Some(&event) {
                self.last = Some(event.clone());
                self.sent_at = Instant::now();
                return Some(event.into());
            }
            if self.sent_at.elapsed() >= SILENCE {
                self.sent_at = Instant::now();
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        }
    }

    /// Waits for the time of the next read; `false` at the end of the stream.
    async fn wait_for_next_read(&mut self) -> bool {
        tokio::select! {
            () = sleep(READ_EVERY) => Instant::now() < self.until,
            // Completes at once if the stop came earlier.
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }

    async fn read(&self) -> Result<SessionView, Error> {
        let request = self.manager.open_read_only(self.cookies.iter().map(Vec::as_slice));
        let session = request.load().await?;
        let user = session.user().await?;
        SessionView::of(&session, user.as_ref())
    }
}
