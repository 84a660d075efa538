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

/// How many pages may be followed at a time: each one holds a connection.
const FOLLOWED: usize = 128;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a stream is silent before it sends a comment: proxies close silent connections.
const SILENCE: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(300);

/// The streams of this process.
pub(crate) struct Live {
    free: Arc<Semaphore>,
    stop: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(FOLLOWED)), stop: watch::Sender::new(false) }
    }

    /// Ends every stream.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The events for the client that sent these `Cookie` headers; `None` if too many are followed already.
    pub(crate) fn follow(
        &self,
        manager: SessionManager,
        cookies: Vec<Vec<u8>>,
    ) -> Option<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<>> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let now = Instant::now();
        let followed = Followed {
            manager,
            cookies,
            stop: self.stop.subscribe(),
            said: None,
            said_at: now,
            until: now + LONGEST,
            _permit: permit,
        };
        Some(unfold(followed, |mut followed| async { followed.next().await.map(|event| (Ok(event), followed)) }))
    }
}

struct Followed {
    manager: SessionManager,
    cookies: Vec<Vec<u8>>,
    stop: watch::Receiver<bool>,
    /// The last event.
    said: Option<String>,
    said_at: Instant,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Followed {
    /// The next thing to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.said.is_some() && !self.goes_on().await {
                return None;
            }
            let event = match self.look().await {
                Ok(view) => format!("data: {}\n\n", json!(view)),
                Err(error) => {
                    tracing::debug!(%error, "a session that is followed cannot be read now");
                    "event: down\ndata: {}\n\n".to_owned()
                }
            };
            if self.said.as_ref() != Some(&event) {
                self.said = Some(event.clone());
                self.said_at = Instant::now();
                return Some(event.into());
            }
            if self.said_at.elapsed() >= SILENCE {
                self.said_at = Instant::now();
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        }
    }

    /// Waits for the time of the next read; `false` at the end of the stream.
    async fn goes_on(&mut self) -> bool {
        tokio::select! {
            () = sleep(LOOK_EVERY) => Instant::now() < self.until,
            // Completes at once if the stop came earlier.
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }

    async fn look(&self) -> Result<SessionView, Error> {
        let request = self.manager.open_read_only(self.cookies.iter().map(Vec::as_slice));
        let session = request.load().await?;
        let user = session.user().await?;
        SessionView::of(&session, user.as_ref())
    }
}
