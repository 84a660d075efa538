//! Checks that the store accepts writes.

use crate::{
    engine::{core::Core, manager::SessionManager},
    error::Error,
};

impl SessionManager {
    /// Checks that the store accepts writes. A store that is full, read-only, or cannot persist its data still answers
    /// [`ping`](Self::ping).
    ///
    /// No I/O if the last write of this process succeeded. If the store refused it, this writes one small key that
    /// expires in a second: one round trip.
    ///
    /// ```
    /// # use shared_session::{SessionManager, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// # let manager = SessionManager::new(MemoryStore::new());
    /// // What a readiness probe asks.
    /// manager.ping().await?;
    /// manager.check_writes().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable), with the reason, if the store refuses this write too.
    pub async fn check_writes(&self) -> Result<(), Error> {
        if self.0.last_write.is_refused() { self.0.probe().await } else { Ok(()) }
    }
}

impl Core {
    async fn probe(&self) -> Result<(), Error> {
        const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
        let key = self.profile.throttle_prefix() + "probe";
        // If it is there already, another probe wrote it.
        self.store.create(&key, "1".into(), SECOND).await?;
        self.last_write.note(None);
        Ok(())
    }
}
